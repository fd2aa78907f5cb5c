using System.Globalization;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>One source: how it stands, its restore points and runs, "back up now".</summary>
public partial class SourcePage : LivePage
{
    private const int RowsShown = 15;
    private SourceStanding? _standing;
    private IReadOnlyList<PointRow> _points = [];
    private IReadOnlyList<Run> _runs = [];
    private RecoverableWindow? _window;
    private Exception? _windowFault;
    private Task _readingWindow = Task.CompletedTask;
    private DateTimeOffset? _moment;
    private IReadOnlyList<DrillRow>? _drills;
    private HeartbeatRow? _heartbeat;
    private IReadOnlyDictionary<string, TimeSpan> _durations = new Dictionary<string, TimeSpan>();

    /// <summary>The source's name.</summary>
    [Parameter]
    public string Name { get; set; } = "";

    [Inject]
    private StandingCatalog Standings { get; set; } = default!;

    [Inject]
    private SourceCatalog Sources { get; set; } = default!;

    [Inject]
    private PointRows Points { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private RecoverableWindows Windows { get; set; } = default!;

    [Inject]
    private DrillCatalog Drilled { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    /// <summary>The moment that is asked for, ISO 8601.</summary>
    [SupplyParameterFromQuery(Name = "at")]
    private string? At { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private Run? OpenBackup => _runs.FirstOrDefault(run => run.Kind == RunKinds.Backup && run.IsOpen);

    private Run? OpenDrill => _runs.FirstOrDefault(run => run.Kind == RunKinds.PointInTimeDrill && run.IsOpen);

    private bool CanBackUp => _standing!.Reason != StandingReason.NoDriver;

    private IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavSources, "/sources"), new Crumb(_standing!.Source.Workspace), new Crumb(Name)];

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var standing = _standing!;
            var rpo = SourceRows.Rpo(standing, Time);
            var proof = standing.Facts.LastProof;
            return
            [
                new Figure(PageTexts.FigureRpo, Against(standing.RpoNow, standing.Protection.Rpo), rpo.Second, null, standing.RpoNow > standing.Protection.Rpo ? Status.Breached : null),
                new Figure(PageTexts.FigureRestore, Against(standing.RestoreTime, standing.Protection.Rto), SourceRows.RestoreSecond(standing, Time), null,
                    standing.RestoreTime > standing.Protection.Rto ? Status.Breached : null),
                new Figure(PageTexts.FigureProof, proof is null ? PageTexts.Never : Figures.Age(Time.GetUtcNow() - proof.At),
                    proof is null ? PageTexts.HowNeverRestored : Figures.Format(PageTexts.ProofOf, SourceRows.Short(proof.RestorePoint), proof.Tier)),
                new Figure(PageTexts.FigureSchedule, Figures.Target(Schedule.Interval), Figures.Format(PageTexts.ScheduleSecond, Schedule.Cron)),
            ];
        }
    }

    private Engine.Strategies.BackupSchedule Schedule =>
        RecurringBackups.ScheduleOf(_standing!.Source, Estate, _durations.TryGetValue(Name, out var duration) ? duration : null);

    private KindSheet Newest => _points is [var newest, ..] ? KindWords.SheetOf(newest.Point, Time) : KindSheet.None;

    private string? NewestSecond =>
        _points is [{ Point: var newest }, ..] ? Figures.Format(KindTexts.OfPoint, SourceRows.Short(newest.Id), Figures.Moment(newest.CreatedAt, Time)) : null;

    private string CostSecond => Figures.Format(KindTexts.CostsSecond, Figures.Target(Schedule.Interval), Figures.Target(_standing!.Protection.Rpo));

    private IReadOnlyList<string> CostColumns => KindWords.Of(_standing!.Source.Kind).CostColumns;

    private IReadOnlyList<CostRow> Costs =>
    [
        .. _points.Select(row => new CostRow(
            SourceRows.Short(row.Point.Id), row.Href, row.Point.CreatedAt, row.Point.CompletedAt - row.Point.CreatedAt, KindWords.SheetOf(row.Point, Time).Costs)),
    ];

    private IEnumerable<NamedFact> Facts
    {
        get
        {
            var source = _standing!.Source;
            yield return new NamedFact(PageTexts.FactWorkspace, source.Workspace);
            yield return new NamedFact(PageTexts.FactClass, source.Class);
            foreach (var fact in KindWords.Of(source.Kind).Of(source))
            {
                yield return fact;
            }

            if (_standing.Facts.Agent is { } agent)
            {
                yield return new NamedFact(PageTexts.FactAgent, agent switch
                {
                    { IsSilent: true } => SourceRows.Silent(agent),
                    _ => Figures.Format(PageTexts.AgentHeard, Figures.Age(agent.Silence!.Value)),
                });
            }

            yield return new NamedFact(PageTexts.FactTiersWanted, Figures.Count(_standing.Protection.MinimumTiers));
            yield return new NamedFact(PageTexts.FactProofHolds, Figures.Target(_standing.Protection.ProofLifetime));
            yield return new NamedFact(PageTexts.FactDeclared, PageTexts.DeclaredInFile);
        }
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        Estate.SourceNamed(Name);
        var standing = (await Standings.ReadAsync(cancellationToken)).First(one => one.Source.Name == Name);
        _points = await Points.ReadAsync(Name, RowsShown, cancellationToken);
        _runs = await Runs.ListAsync(Name, null, null, RowsShown, cancellationToken);
        _durations = await Sources.BackupDurationsAsync(cancellationToken);
        if (Estate.WalOf(standing.Source) is not null)
        {
            _drills = await Drilled.ListAsync(Name, RowsShown, cancellationToken);
            _heartbeat = await Drilled.HeartbeatAsync(Name, cancellationToken);
        }

        _standing = standing;
        _moment = DateTimeOffset.TryParse(At, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var at) ? at : null;
        if (_readingWindow.IsCompleted)
        {
            // The page does not wait for a store that is listed.
            _readingWindow = ReadWindowAsync(standing.Source);
        }
    }

    /// <summary>A store that does not answer hides no more than this.</summary>
    private async Task ReadWindowAsync(Source source)
    {
        try
        {
            (_window, _windowFault) = (await Windows.ReadAsync(source, Left), null);
        }
        catch (EngineException fault)
        {
            _windowFault = fault;
        }
        catch (OperationCanceledException)
        {
            return;
        }

        if (ReadAt is not null)
        {
            // Before that the page's own first rendering is still to come, and shows this as well.
            await InvokeAsync(StateHasChanged);
        }
    }

    private IReadOnlySet<string> Proven => _points.Where(row => row.Status == Status.Proven).Select(row => row.Point.Id).ToHashSet();

    private void AskFor(DateTimeOffset? moment) => Navigation.NavigateTo(
        Navigation.GetUriWithQueryParameter("at", moment?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)), replace: true);

    private Task PlanAsync(DateTimeOffset moment) => AskRestoreAsync(async (request, token) =>
    {
        var reach = _window!.Reach(moment);
        if (reach.Base is not { } basis)
        {
            return;
        }

        var point = await Catalog.ResolveAsync(basis.Id.Value, token);
        var verdict = _points.FirstOrDefault(row => row.Point.Id == basis.Id.Value)?.Status ?? Status.Unproven;
        if (await RestoreDialog.ShowAsync(Dialogs, point, _standing!.Source, verdict, moment, timeline: _window.HasBranches ? reach.Timeline : null) is { } plan)
        {
            var run = await request(Requests, plan);
            Navigation.NavigateTo(RunTexts.Href(run.Id));
        }
    });

    private Task DrillAsync() => ActAsync(async (actor, token) =>
    {
        var run = await Requests.DrillAsync(Name, null, actor, token);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });

    private IReadOnlyList<RestorePointRow> Dumps => [.. _points.Select(row => row.Point).Where(point => point.Strategy == LogicalBackup.Strategy)];

    private bool CanRescue => _standing!.Source.Postgres is not null && (_window is { Stretches.Count: > 0 } || Dumps.Count > 0);

    private Task RescueAsync() => ActAsync(async (_, _) =>
    {
        if (await RescueDialog.ShowAsync(Dialogs, Name, _window is { Stretches.Count: > 0 }, _moment, Dumps) is { } ask)
        {
            // Who opened the dialog may have lost the role while it was open.
            await ActAsync(async (actor, token) =>
            {
                var run = await Requests.RescueAsync(Name, ask.Table, ask.Moment, ask.RestorePoint, null, actor, token);
                Navigation.NavigateTo(RunTexts.Href(run.Id));
            });
        }
    });

    private Task BackUpAsync() => ActAsync(async (actor, token) =>
    {
        var run = await Requests.BackupAsync(Name, actor, token);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });

    private static string Against(TimeSpan? value, TimeSpan target) =>
        value is { } known ? $"{Figures.Duration(known)} / {Figures.Target(target)}" : $"{PageTexts.NotMeasured} / {Figures.Target(target)}";
}
