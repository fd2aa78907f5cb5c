using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>The configuration in effect and where each part of it comes from, read-only; and who keeps the keys.</summary>
public partial class SettingsPage : LivePage
{
    private const int RunsLookedThrough = 50;
    private IReadOnlyList<KeyStanding>? _keys;
    private IReadOnlyList<WorkspaceKeyStanding> _workspaces = [];
    private Dictionary<string, RunId> _rotations = [];
    private bool _hasLooked;

    [Inject]
    private KeyCustody Custody { get; set; } = default!;

    [Inject]
    private WorkspaceRequests Requests { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private DeclaredIn Files { get; set; } = default!;

    [Inject]
    private DataFolder Data { get; set; } = default!;

    private IEnumerable<(string Name, string Value, string From)> General =>
    [
        (SettingTexts.SettingName, Estate.Name, From("DrConsole:Name")),
        (SettingTexts.SettingData, Data.Root, Files.OriginOf("DrConsole:DataDirectory") is { } from ? Say(from) : SettingTexts.FromCommandLine),
        (SettingTexts.SettingCatalog, Files.OriginOf("ConnectionStrings:Console") is null ? SettingTexts.CatalogPrivate : SettingTexts.CatalogExternal, From("ConnectionStrings:Console")),
        (SettingTexts.SettingSources, Figures.Count(Estate.Sources.Count), From("DrConsole:Sources")),
        (SettingTexts.SettingRestoreApprovals, Figures.Count(Estate.RestoreApprovals), From("DrConsole:RestoreApprovals")),
        .. Estate.Approvals.OrderBy(one => one.Key, StringComparer.Ordinal)
            .Select(one => (Figures.Format(SettingTexts.SettingApprovals, one.Key), Figures.Count(one.Value), From($"DrConsole:Approvals:{one.Key}"))),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _workspaces = await Requests.StandingsAsync(cancellationToken);
        if (!_hasLooked && _workspaces.Any(one => one.Key is null))
        {
            // The job that looks comes four times a day; opening repositories is slow on purpose, so once for a visit.
            _hasLooked = true;
            _workspaces = await Requests.LookAsync(cancellationToken);
        }

        _rotations = (await Runs.ListAsync(null, RunKinds.Rotation, null, RunsLookedThrough, cancellationToken)).Where(run => run.IsOpen)
            .GroupBy(run => run.Source).ToDictionary(runs => runs.Key, runs => runs.First().Id);
        _keys = await Custody.ReadAsync(cancellationToken);
    }

    private async Task RotateAsync(WorkspaceKeyStanding one)
    {
        var parameters = new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, Figures.Format(SettingTexts.RotateTitle, one.Workspace) },
            { dialog => dialog.Consequence, SettingTexts.RotateConsequence },
            { dialog => dialog.Word, one.Workspace },
            { dialog => dialog.ActionText, Figures.Format(SettingTexts.RotateAction, one.Workspace) },
        };
        var shown = await Dialogs.ShowAsync<TypedConfirmation>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        if (await shown.Result is { Canceled: false })
        {
            await AdministerAsync(async (actor, token) =>
                Navigation.NavigateTo(RunTexts.Href((await Requests.RotateAsync(one.Workspace, actor, token)).Id)));
        }
    }

    private Task<bool> ConfirmAsync(CustodyWord word) => CustodyActs.ConfirmAsync(act => AdministerAsync(act), Custody, word, RefreshAsync);

    private string From(string key) => Files.OriginOf(key) is { } origin ? Say(origin) : SettingTexts.FromDefault;

    private static string Say(string origin) => origin == DeclaredIn.Environment ? SettingTexts.FromEnvironment : origin;

    private string SourcesOf(ProtectionClass one) => Estate.Sources.Where(source => Estate.ClassOf(source).Name == one.Name).Select(source => source.Name).ToList() is { Count: > 0 } names
        ? Figures.List(names)
        : PageTexts.NoneWord;
}
