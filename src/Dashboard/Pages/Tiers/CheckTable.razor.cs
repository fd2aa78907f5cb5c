using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>What was checked of a tier, by workspace and level; a workspace that never was is named too.</summary>
public partial class CheckTable
{
    private const string Listing = "L1";
    private const int MostNamed = 5;

    [Parameter, EditorRequired]
    public IReadOnlyList<TierCheckRow> Checks { get; set; } = [];

    /// <summary>Workspaces of which the tier holds anything.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<string> Workspaces { get; set; } = [];

    private IReadOnlyList<(string Workspace, TierCheckRow? Check)> Rows =>
    [
        .. Workspaces.Union(Checks.Select(check => check.Workspace)).Order(StringComparer.Ordinal).SelectMany(workspace =>
            Checks.Where(check => check.Workspace == workspace).Select(check => (workspace, (TierCheckRow?)check)).DefaultIfEmpty((workspace, null))),
    ];

    private static string LevelWords(string level) => level switch
    {
        "L1" => TierTexts.LevelOne,
        "L2" => TierTexts.LevelTwo,
        _ => TierTexts.LevelThree,
    };
}
