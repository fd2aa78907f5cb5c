using Hexabase.DrConsole.Dashboard.Controls;
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

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<(string Workspace, TierCheckRow? Check)> Rows =>
    [
        .. Workspaces.Union(Checks.Select(check => check.Workspace)).Order(StringComparer.Ordinal).SelectMany(workspace =>
            Checks.Where(check => check.Workspace == workspace).Select(check => (workspace, (TierCheckRow?)check)).DefaultIfEmpty((workspace, null))),
    ];

    /// <summary>What was read now, and within how many days all of it was: each byte is to be read every month.</summary>
    private string Said(TierCheckRow check)
    {
        var now = check.Detail ?? (check.Slice is { } slice ? Figures.Format(TierTexts.SliceRead, slice, Figures.Moment(check.CheckedAt, Time)) : LevelWords(check.Level));
        return check switch
        {
            { There: null } => now,
            { AllReadSince: { } since } => Join(now, Figures.Format(TierTexts.AllRead, Days(check.CheckedAt - since))),
            _ => Join(now, Figures.Format(TierTexts.SomeRead, check.EverRead!.Value, check.There.Value)),
        };
    }

    private static string Join(string now, string all) => Figures.Format(TierTexts.ReadJoined, now, all);

    private static int Days(TimeSpan span) => Math.Max(1, (int)Math.Ceiling(span.TotalDays));

    private static string LevelWords(string level) => level switch
    {
        "L1" => TierTexts.LevelOne,
        "L2" => TierTexts.LevelTwo,
        _ => TierTexts.LevelThree,
    };
}
