using System.Diagnostics;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Another process has taken the run up, or this one could not renew its lease in time: nothing more may be written for it.</summary>
public sealed class LeaseLostException(RunId run) : Exception($"the lease of {run} was lost");

/// <summary>
/// The lease on one run. Each write goes through <see cref="CommitAsync"/>, which first locks the run's row where its
/// fence is still ours: a process that was frozen and wakes up later changes nothing.
/// </summary>
internal sealed class RunHold : IDisposable
{
    private readonly LeaseTimes _times;
    private readonly CancellationTokenSource _lost = new();

    private RunHold(NpgsqlDataSource catalog, LeaseTimes times, Run run) => (Catalog, _times, Run) = (catalog, times, run);

    public NpgsqlDataSource Catalog { get; }

    public Run Run { get; }

    /// <summary>Set once another holder, or the clock, has taken the lease.</summary>
    public CancellationToken LeaseLost => _lost.Token;

    /// <summary>Says that the lease is lost: nothing may be done for the run any more.</summary>
    public Task LoseAsync() => _lost.CancelAsync();

    /// <summary>Gives up what the hold has of this process; the lease itself is in the catalog.</summary>
    public void Dispose() => _lost.Dispose();

    /// <summary>Takes the lease where nobody holds it; null where somebody does, or where the run has ended.</summary>
    public static async Task<RunHold?> AcquireAsync(NpgsqlDataSource catalog, LeaseTimes times, RunId id, CancellationToken cancellationToken)
    {
        var run = await catalog.Command(
            $"""
            UPDATE run SET fence = fence + 1, attempt = attempt + 1, lease_owner = $2, lease_until = clock_timestamp() + $3, state = 'running',
              started_at = coalesce(started_at, clock_timestamp())
            WHERE id = $1 AND state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
            RETURNING {RunStore.Columns}
            """, id.Value, LeaseOwner.Current, times.Duration).FirstAsync(RunStore.Map, cancellationToken);
        return run is null ? null : new RunHold(catalog, times, run);
    }

    /// <summary>Renews the lease; true where somebody asked to cancel meanwhile.</summary>
    /// <exception cref="LeaseLostException">The lease had run out, another holds it, or the answer took as long as it lasts.</exception>
    public async Task<bool> RenewAsync(CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var cancel = await Catalog.Command(
            """
            UPDATE run SET lease_until = clock_timestamp() + $3
            WHERE id = $1 AND fence = $2 AND state = 'running' AND lease_until >= clock_timestamp() RETURNING cancel_at IS NOT NULL
            """, Run.Id.Value, Run.Fence, _times.Duration).FirstAsync(row => (object)row.GetBoolean(0), cancellationToken);
        // A yes that came late, to a process that was frozen or a row that was locked meanwhile, says nothing of now.
        return cancel is bool asked && Stopwatch.GetElapsedTime(began) < _times.Duration ? asked : throw new LeaseLostException(Run.Id);
    }

    /// <summary>Runs <paramref name="write"/> in one transaction behind the fence, then tells the listeners.</summary>
    /// <exception cref="LeaseLostException">The fence is no longer ours; nothing was written.</exception>
    public async Task CommitAsync(Func<NpgsqlTransaction, Task> write, CancellationToken cancellationToken)
    {
        await using var connection = await Catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var mine = await transaction.Command("SELECT 1 FROM run WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE", Run.Id.Value, Run.Fence)
            .FirstAsync(_ => "mine", cancellationToken);
        if (mine is null)
        {
            throw new LeaseLostException(Run.Id);
        }

        await write(transaction);
        await transaction.Command("SELECT pg_notify($1, $2)", RunFeed.Channel, RunStore.Invariant(Run.Id.Value)).RunAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Ends the run and gives the lease up, with the audit event of its end.</summary>
    public Task EndAsync(RunState state, string? resultJson, string? errorJson, CancellationToken cancellationToken) =>
        CommitAsync(async transaction =>
        {
            await transaction.Command(
                "UPDATE run SET state = $2, result = $3, error = $4, ended_at = clock_timestamp(), lease_owner = NULL, lease_until = NULL WHERE id = $1",
                Run.Id.Value, RunStore.Text(state), new Jsonb(resultJson), new Jsonb(errorJson)).RunAsync(cancellationToken);
            await RunStore.CloseGatesAsync(transaction, Run.Id);
            if (state is RunState.Failed or RunState.NeedsDecision && Run.Kind != RunKinds.Recovery)
            {
                await TellFailedAsync(transaction, errorJson, cancellationToken);
            }

            await AuditLog.AppendAsync(transaction, "engine", $"run.{RunStore.Text(state)}", Run.Id.ToString(), new { Run.Kind, Run.Source }, cancellationToken);
        }, cancellationToken);

    /// <summary>Of a recovery its own room tells, with what it means.</summary>
    private async Task TellFailedAsync(NpgsqlTransaction transaction, string? errorJson, CancellationToken cancellationToken)
    {
        var error = errorJson is null ? null : JsonSerializer.Deserialize<RunError>(errorJson, JsonSerializerOptions.Web);
        await NotificationOutbox.WriteAsync(transaction, new Notice(
            NotificationEvent.RunFailed, NotificationSeverity.Warning, Run.Id.ToString(), FormattableString.Invariant($"/runs/{Run.Id.Value}"), new NotificationFacts
            {
                Kind = Run.Kind,
                Run = Run.Id.ToString(),
                Sources = RunKinds.IsOfTier(Run.Kind) || RunKinds.IsOfWorkspace(Run.Kind) ? [] : [Run.Source],
                Tiers = RunKinds.IsOfTier(Run.Kind) ? [Run.Source] : [],
                Requester = Run.RequestedBy,
                Step = error?.Step,
                Reason = error is null ? null : error.Hint is null ? error.Message : $"{error.Message} → {error.Hint}",
            }), cancellationToken);
    }

    /// <summary>Gives the lease up until a person's act queues the run again.</summary>
    /// <returns>True where that act came while the run was on its way to waiting: it is queued, and goes on at once.</returns>
    public async Task<bool> ParkAsync(CancellationToken cancellationToken)
    {
        var isQueued = false;
        await CommitAsync(
            async transaction => isQueued = await transaction.Command(
                """
                UPDATE run SET lease_owner = NULL, lease_until = NULL, handed_over_at = NULL, wake = false,
                  state = CASE WHEN wake OR cancel_at IS NOT NULL THEN 'queued' ELSE 'waiting' END
                WHERE id = $1 RETURNING state
                """, Run.Id.Value).FirstAsync(row => row.GetString(0), cancellationToken) == RunStore.Text(RunState.Queued),
            cancellationToken);
        return isQueued;
    }

    /// <summary>Gives the lease up without ending the run: this process stops, the next one goes on.</summary>
    public Task ReleaseAsync(CancellationToken cancellationToken) =>
        CommitAsync(
            transaction => transaction.Command("UPDATE run SET state = 'queued', lease_owner = NULL, lease_until = NULL WHERE id = $1", Run.Id.Value).RunAsync(cancellationToken),
            cancellationToken);
}
