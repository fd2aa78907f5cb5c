using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>What every frame shows of runs: the same for all who look.</summary>
/// <param name="Running">How many run.</param>
/// <param name="Restore">A restore that runs, or null.</param>
/// <param name="Recovery">A recovery that runs, else one that waits, or null.</param>
/// <param name="OpenGates">How many gates wait.</param>
public sealed record ShellFacts(int Running, Run? Restore, ShellRecovery? Recovery, int OpenGates);

/// <summary>The recovery in the frame's banner.</summary>
/// <param name="Row">Null where it is gone.</param>
/// <param name="ConfirmedAt">When its incident was confirmed, or null.</param>
public sealed record ShellRecovery(Run Run, IReadOnlyList<RecoveryStepRow> Steps, RecoveryRow? Row, DateTimeOffset? ConfirmedAt);

/// <summary>Reads it, once for all frames that a change wakes.</summary>
public sealed class ShellReading(RunStore runs, RecoveryCatalog recoveries, ApprovalCatalog gates, SharedReading shared)
{
    private const int MostCounted = 50;

    public Task<ShellFacts> ReadAsync(CancellationToken cancellationToken) => shared.ReadAsync("the frame", ReadNowAsync, cancellationToken);

    private async Task<ShellFacts> ReadNowAsync(CancellationToken cancellationToken)
    {
        var running = await runs.ListAsync(null, null, RunState.Running, MostCounted, cancellationToken);
        var recovery = running.FirstOrDefault(run => run.Kind == RunKinds.Recovery)
            ?? (await runs.ListAsync(null, RunKinds.Recovery, RunState.Waiting, 1, cancellationToken) is [var waiting] ? waiting : null);
        return new ShellFacts(
            running.Count, running.FirstOrDefault(run => run.Kind == RunKinds.Restore),
            recovery is null ? null : new ShellRecovery(
                recovery, await recoveries.StepsAsync(recovery.Id, cancellationToken), await recoveries.FindAsync(recovery.Id, cancellationToken),
                await recoveries.ConfirmedAtAsync(recovery.Id, cancellationToken)),
            (await gates.OpenAsync(cancellationToken)).Count);
    }
}
