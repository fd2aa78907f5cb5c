using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Tells when a promise is not kept any more, and when it is again: a source's RPO, that its commits do not wait for its copy, the age of a workspace's keys, that the workers
/// of nodes live, and that the health monitor looks at all. That it was told is written in the transaction that tells it: every process may look, and each change is told once.
/// </summary>
public sealed class PromiseWatch(
    NpgsqlDataSource catalog, StandingCatalog standings, WorkspaceRequests workspaces, HealthWatch watch, ProtectedEstate estate, TimeProvider time, ILogger<PromiseWatch> log)
    : BackgroundService
{
    private const string Rpo = "rpo";
    private const string Rotation = "rotation";
    private const string Watcher = "watcher";
    private const string Commits = "commits";

    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(30);

    /// <summary>Commits that wait for so long are told of at once; shorter waits come and go where a tier is slow.</summary>
    private static readonly TimeSpan s_longWait = TimeSpan.FromSeconds(15);

    /// <summary>
    /// A worker that this process hears nothing of for so long is told of. Where the catalog was away nobody could report, and a worker
    /// takes a while to find it again.
    /// </summary>
    private static readonly TimeSpan s_agentPatience = TimeSpan.FromMinutes(2);

    /// <summary>Since when this process hears nothing of a node's worker, by the node's queue.</summary>
    private readonly Dictionary<string, DateTimeOffset> _silentAgents = new(StringComparer.Ordinal);

    /// <summary>Whether commits wait as this process saw it last, and since when it has seen nothing else.</summary>
    private readonly Dictionary<string, (bool Waits, DateTimeOffset Since)> _commits = new(StringComparer.Ordinal);

    /// <summary>Since when this process hears nothing of the health monitor; null while it does.</summary>
    private DateTimeOffset? _silentSince;

    /// <summary>Looks at all promises once.</summary>
    internal async Task LookAsync(CancellationToken cancellationToken)
    {
        var broken = (await catalog.Command("SELECT promise, subject FROM promise_broken").ListAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken)).ToHashSet();
        var looked = new HashSet<(string, string)>();
        var sources = await standings.ReadAsync(cancellationToken);
        Promise[] promises =
        [
            .. Rpos(sources), .. Agents(sources), .. await RotationsAsync(cancellationToken), .. await CommitsAsync(cancellationToken), await WatcherAsync(cancellationToken),
        ];
        foreach (var promise in promises)
        {
            looked.Add((promise.Name, promise.Subject));
            if (promise.IsBroken is { } isBroken && isBroken != broken.Contains((promise.Name, promise.Subject)))
            {
                await ChangeAsync(promise, isBroken, cancellationToken);
            }
        }

        // What is declared no longer was promised to nobody.
        foreach (var (name, subject) in broken.Except(looked))
        {
            if (name == Commits)
            {
                // Nobody makes commits wait any more: an alert that is open ends with the setting.
                await ChangeAsync(CommitsOf(subject, null, time.GetUtcNow()), isBroken: false, cancellationToken);
                continue;
            }

            if (name == Watcher)
            {
                // A node without sources needs no worker.
                await ChangeAsync(AgentOf(subject, [], isSilent: false), isBroken: false, cancellationToken);
                continue;
            }

            await catalog.Command("DELETE FROM promise_broken WHERE promise = $1 AND subject = $2", name, subject).RunAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_every, time);
        do
        {
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                // The edge of the loop: a look that fails, for whatever reason, must be neither the last one nor the end of the console.
                log.LogWarning(fault, "nobody looked whether promises are kept; trying again in {Every}", s_every);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>A source without a restore point is not known to keep or break anything: it is shown as unproven.</summary>
    private static IEnumerable<Promise> Rpos(IReadOnlyList<SourceStanding> standings) =>
        from standing in standings
        let name = standing.Source.Name
        select new Promise(Rpo, name, standing.RpoNow is { } now ? now > standing.Protection.Rpo : null, isBroken => new Notice(
            isBroken ? NotificationEvent.RpoBreached : NotificationEvent.RpoKept, isBroken ? NotificationSeverity.Critical : NotificationSeverity.Info, name,
            $"/sources/{Uri.EscapeDataString(name)}",
            new NotificationFacts { Sources = [name], LossSeconds = standing.RpoNow?.TotalSeconds, RpoSeconds = standing.Protection.Rpo.TotalSeconds }));

    /// <summary>One story for each node, however many sources are on it. What was said of a node whose workers nobody can know of stands.</summary>
    private IEnumerable<Promise> Agents(IReadOnlyList<SourceStanding> standings)
    {
        var now = time.GetUtcNow();
        foreach (var node in standings.Where(standing => standing.Source.Node is not null).GroupBy(standing => ServedNodes.QueueWord + standing.Source.Node))
        {
            var isSilent = node.First().Facts.Agent?.IsSilent;
            if (isSilent == true)
            {
                _silentAgents.TryAdd(node.Key, now);
            }
            else
            {
                _silentAgents.Remove(node.Key);
            }

            var isLasting = isSilent == true && now - _silentAgents[node.Key] >= s_agentPatience;
            yield return AgentOf(node.Key, [.. node.Select(standing => standing.Source.Name)], isSilent == true && !isLasting ? null : isSilent);
        }
    }

    /// <summary>It watches its node's sources as the monitor watches all.</summary>
    private static Promise AgentOf(string queue, IReadOnlyList<string> sources, bool? isSilent) => new(Watcher, queue, isSilent, isBroken => new Notice(
        isBroken ? NotificationEvent.AgentSilent : NotificationEvent.AgentBack, isBroken ? NotificationSeverity.Warning : NotificationSeverity.Info, queue, "/sources",
        new NotificationFacts { Sources = sources }));

    private async Task<IEnumerable<Promise>> RotationsAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return from standing in await workspaces.StandingsAsync(ct)
               where standing is { RotationDays: > 0, Key.ShreddedAt: null }
               select new Promise(Rotation, standing.Workspace, standing.DueAt is { } due ? due <= now : null, isBroken => new Notice(
                   isBroken ? NotificationEvent.RotationDue : NotificationEvent.RotationDone, isBroken ? NotificationSeverity.Warning : NotificationSeverity.Info, standing.Workspace,
                   "/settings", new NotificationFacts
                   {
                       Sources = [.. estate.Sources.Where(source => source.Workspace == standing.Workspace).Select(source => source.Name)], DueAt = isBroken ? standing.DueAt : null,
                   }));
    }

    /// <summary>
    /// Where the server waits for the receiver before a commit returns, everybody who uses the database waits with it. Told once it has
    /// lasted, and ended once that has lasted: a receiver that begins anew, or a tier that is slow now and then, is no flood of alerts.
    /// </summary>
    private async Task<IEnumerable<Promise>> CommitsAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var rows = (await new WalCatalog(catalog).ReceiversAsync(null, ct)).ToDictionary(row => row.Source);
        return [.. estate.Sources.Where(source => estate.WalOf(source) is { IsSynchronous: true }).Select(source => CommitsOf(source.Name, rows.GetValueOrDefault(source.Name), now))];
    }

    private Promise CommitsOf(string name, WalReceiverRow? row, DateTimeOffset now)
    {
        bool? waits = row switch
        {
            null => null,
            { IsAlive: false } or { CommitsWaitSince: not null } => true,
            { State: "streaming" } => false,
            _ => null,
        };
        bool? isTold = null;
        if (waits is { } known)
        {
            var since = _commits.TryGetValue(name, out var last) && last.Waits == known ? last.Since : now;
            _commits[name] = (known, since);
            isTold = now - since >= s_every || (row is { IsAlive: true, CommitsWaitSince: { } began } && now - began >= s_longWait) ? known : null;
        }

        return new Promise(Commits, name, isTold, isBroken => new Notice(
            isBroken ? NotificationEvent.CommitsWait : NotificationEvent.CommitsFlow, isBroken ? NotificationSeverity.Critical : NotificationSeverity.Info, name,
            $"/sources/{Uri.EscapeDataString(name)}", new NotificationFacts
            {
                Sources = [name],
                Reason = !isBroken ? null : row is { IsAlive: true } ? string.Join("; ", [.. row.Message is { } fault ? [fault] : Array.Empty<string>(), .. row.Notices]) : "no process receives its WAL",
            }));
    }

    /// <summary>
    /// The watch on the watcher. A console that was down has heard nothing for as long; that is told only where nobody begins to look
    /// within the monitor's own patience.
    /// </summary>
    private async Task<Promise> WatcherAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var standing = await watch.ReadAsync(ct);
        var isSilent = standing.StateAt(now) == WatchState.Silent;
        _silentSince = isSilent ? _silentSince ?? now : null;
        return new Promise(Watcher, HealthWatch.Monitor, !isSilent ? false : now - _silentSince > standing.Patience ? true : null, isBroken => new Notice(
            isBroken ? NotificationEvent.WatcherSilent : NotificationEvent.WatcherBack, isBroken ? NotificationSeverity.Critical : NotificationSeverity.Info, HealthWatch.Monitor,
            "/incidents", new NotificationFacts { Reason = isBroken ? standing.Error : null }));
    }

    private async Task ChangeAsync(Promise promise, bool isBroken, CancellationToken ct)
    {
        await using var connection = await catalog.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var changed = await transaction.Command(
            isBroken ? "INSERT INTO promise_broken (promise, subject) VALUES ($1, $2) ON CONFLICT DO NOTHING" : "DELETE FROM promise_broken WHERE promise = $1 AND subject = $2",
            promise.Name, promise.Subject).RunAsync(ct);
        // Else another process has seen it, and told.
        if (changed == 1)
        {
            await NotificationOutbox.WriteAsync(transaction, promise.Say(isBroken) with { Thread = $"{promise.Name} {promise.Subject}", Closes = !isBroken }, ct);
        }

        await transaction.CommitAsync(ct);
    }

    /// <param name="IsBroken">Null where nobody knows: then what was known stands.</param>
    /// <param name="Say">What is told when it breaks (true) or is kept again.</param>
    private sealed record Promise(string Name, string Subject, bool? IsBroken, Func<bool, Notice> Say);
}
