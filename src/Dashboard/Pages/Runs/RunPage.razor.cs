using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Validation.Rescue;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>One run: progress, steps and log, moving while it moves.</summary>
public partial class RunPage : LivePage
{
    private const int LinesAtOnce = 2_000;

    /// <summary>What a circuit keeps of a log: its end. The numbers of the lines show what came before.</summary>
    private const int LinesKept = 5_000;
    private Run? _run;
    private IReadOnlyList<RunStep> _steps = [];
    private List<LogLine> _log = [];
    private RescueOffer? _rescue;
    private ApprovalGate? _gate;
    private RecoveryReading? _recovery;
    private bool _isDecided;

    /// <summary>The run's number.</summary>
    [Parameter]
    public long Number { get; set; }

    [Inject]
    private RunStore Store { get; set; } = default!;

    [Inject]
    private ApprovalCatalog Gates { get; set; } = default!;

    [Inject]
    private SharedReading Shared { get; set; } = default!;

    [Inject]
    private RecoveryCatalog Recoveries { get; set; } = default!;

    [Inject]
    private PlanDrillCatalog PlanDrills { get; set; } = default!;

    [Inject]
    private IncidentBriefs Incidents { get; set; } = default!;

    [Inject]
    private RescueCatalog Rescues { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavRuns, "/runs"), new Crumb(RunTexts.Serves(_run!), RunTexts.ServesHref(_run!)), new Crumb(_run!.Id.ToString())];

    private RunProgressModel? Progress => RunTexts.Progress(_run!) is { } known
        ? new RunProgressModel(known.Phase, known.BytesDone, known.BytesTotal, known.ItemsDone, known.ItemsTotal, known.BytesPerSecond, known.Remaining, known.IsEstimate, known.At)
        : null;

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var run = _run!;
            var took = RunTexts.Took(run, Time);
            var progress = RunTexts.Progress(run);
            if (RunKinds.IsOfPlan(run.Kind))
            {
                return RecoveryFigures.Of(run, _recovery, Time);
            }

            return
            [
                new Figure(PageTexts.FigureAsked, Figures.Moment(run.CreatedAt, Time), Figures.Format(PageTexts.AskedBy, run.RequestedBy)),
                new Figure(PageTexts.FigureStarted, run.StartedAt is { } started ? Figures.Moment(started, Time) : PageTexts.NotStarted, Figures.Format(PageTexts.Attempt, run.Attempt)),
                new Figure(run.IsOpen ? PageTexts.FigureRunning : PageTexts.FigureTook, took is { } known ? Figures.Duration(known) : PageTexts.NotMeasured,
                    run.EndedAt is { } ended ? Figures.Format(PageTexts.EndedAt, Figures.Moment(ended, Time)) : PageTexts.StillRunning),
                new Figure(PageTexts.FigureBytes, progress is null ? PageTexts.NotMeasured : Figures.Bytes(progress.BytesDone),
                    progress is null ? run.IsOpen ? PageTexts.NothingReported : PageTexts.NoBytesCounted : Figures.Format(PageTexts.BytesIn, progress.Phase, Figures.Moment(progress.At, Time))),
            ];
        }
    }

    private IEnumerable<NamedFact> Facts
    {
        get
        {
            var run = _run!;
            yield return new NamedFact(PageTexts.FactRequestHash, run.RequestHash[..12]);
            yield return new NamedFact(PageTexts.FactFence, Figures.Count(run.Fence));
            if (run.Parent is { } parent)
            {
                yield return new NamedFact(PageTexts.FactParent, parent.ToString());
            }

            foreach (var fact in RunResultFacts.Of(run))
            {
                yield return fact;
            }
        }
    }

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => changed is null || changed.Value.Value == Number;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var id = new RunId(Number);
        var (run, steps, gate, recovery) = await Shared.ReadAsync($"{id}", token => ReadRunAsync(id, token), cancellationToken);
        var isOther = _run is { } shown && shown.Id != run.Id;
        var log = isOther ? [] : _log;
        IReadOnlyList<RunEvent> lines;
        do
        {
            // By number, so that a line that was missed is fetched the next time, and none is fetched twice. Who has read as far gets the same.
            var after = log.Count == 0 ? 0 : log[^1].Number;
            lines = await Shared.ReadAsync($"lines of {id} after {after}", token => Store.EventsAsync(id, after, LinesAtOnce, token), cancellationToken);
            log = [.. log.TakeLast(LinesKept - lines.Count), .. lines.Select(line => new LogLine(line.Seq, line.At, line.Phase, line.Text, LevelOf(line.Level)))];
        }
        while (lines.Count == LinesAtOnce);
        _log = log;

        (_rescue, _isDecided) = (null, false);
        if (run.Kind == RunKinds.TableRescue)
        {
            _rescue = steps.FirstOrDefault(step => step.Name == "rescue")?.IntentJson is { } offer ? JsonSerializer.Deserialize<RescueOffer>(offer, JsonSerializerOptions.Web) : null;
            _isDecided = JsonSerializer.Deserialize<TableRescueRequest>(run.RequestJson, JsonSerializerOptions.Web)!.Decision is not null || await Rescues.DecisionAsync(Number, cancellationToken) is not null;
        }

        (_run, _steps, _gate, _recovery) = (run, steps, gate, recovery);
    }

    /// <summary>What is the same for everybody who looks at the run.</summary>
    private async Task<(Run Run, IReadOnlyList<RunStep> Steps, ApprovalGate? Gate, RecoveryReading? Recovery)> ReadRunAsync(RunId id, CancellationToken cancellationToken)
    {
        var run = await Store.FindAsync(id, cancellationToken)
            ?? throw new EngineException("run-unknown", ErrorKind.NotFound, $"there is no run {id}", "All runs are on the Runs page.");
        return (
            run, await Store.StepsAsync(id, cancellationToken),
            run.Kind == RunKinds.Restore && await Gates.OfRunAsync(id, cancellationToken) is [.., var newest] ? newest : null,
            RunKinds.IsOfPlan(run.Kind) ? await ReadRecoveryAsync(id, cancellationToken) : null);
    }

    private async Task<RecoveryReading?> ReadRecoveryAsync(RunId id, CancellationToken cancellationToken)
    {
        if (await Recoveries.FindAsync(id, cancellationToken) is not { } recovery)
        {
            return null;
        }

        var gates = await Gates.OfRunAsync(id, cancellationToken);
        return new RecoveryReading(
            recovery, await Recoveries.StepsAsync(id, cancellationToken), gates, gates.Count == 0 ? [] : await Gates.VotesAsync([.. gates.Select(gate => gate.Id)], cancellationToken),
            recovery.IsDrill ? await PlanDrills.FindAsync(id, cancellationToken) : null,
            await Incidents.FindAsync(recovery.Incident, cancellationToken))
        {
            Coming = await Gates.ComingAsync(id, ComingGates.Most, cancellationToken),
        };
    }

    private Task DecideAsync(string decision) => ActAsync(async (actor, token) =>
    {
        await Rescues.DecideAsync(Number, decision, actor, token);
        await RefreshAsync(token);
    });

    private Task CancelAsync() => ActAsync(async (actor, token) =>
    {
        await Requests.CancelAsync(_run!.Id, actor, token);
        await RefreshAsync(token);
    });

    private async Task<Run?> AskTakeBackAsync(RestorePlan plan)
    {
        Run? asked = null;
        await AskRestoreAsync(async (request, _) => asked = await request(Requests, plan));
        return asked;
    }

    private Task ActOnRecoveryAsync(Func<string, CancellationToken, Task> act) => ActAsync(async (actor, token) =>
    {
        await act(actor, token);
        await RefreshAsync(token);
    });

    private Task DecideOnRecoveryAsync(Func<string, CancellationToken, Task> act) => ApproverActAsync(async (actor, token) =>
    {
        await act(actor, token);
        await RefreshAsync(token);
    });

    private static LogLineLevel LevelOf(string level) => level switch
    {
        "error" => LogLineLevel.Error,
        "warning" => LogLineLevel.Warning,
        _ => LogLineLevel.Plain,
    };

    private static Status StatusOf(RunStep step, Run run) => (step.State, run.State) switch
    {
        ("done", _) => Status.Done,
        (_, RunState.Running) => Status.Running,
        (_, RunState.Queued) => Status.Queued,
        (_, RunState.Cancelled) => Status.Cancelled,
        _ => Status.Failed,
    };

    private string Took(RunStep step, Run run)
    {
        var end = step.EndedAt ?? (run.IsOpen ? Time.GetUtcNow() : run.EndedAt);
        return end is { } known ? Figures.Duration(known - step.IntentAt) : PageTexts.NotMeasuredShort;
    }
}
