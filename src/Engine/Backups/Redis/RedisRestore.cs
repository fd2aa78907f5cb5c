using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Restores a snapshot into a server that runs, key by key as <c>RESTORE</c>: everything into an empty one, or single keys
/// into a living one. While everything is being restored a key of the run's name stands in database 0: by it a half-made
/// server is known after a crash. With the last key it gets another name, which says that all is there, and goes with the
/// run's outcome, or by itself an hour later.
/// </summary>
public sealed class RedisRestore(TimeProvider time)
{
    /// <summary>The kind of its plans.</summary>
    public const string PlanKind = "redis";

    private const string MarkPrefix = "drconsole:restoring:";
    private const string FinishedPrefix = "drconsole:restored:";
    private const string RefusedPrefix = "drconsole:refused:";
    private const string FinishedSeconds = "3600";

    /// <summary>Looks at both ends, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException"><c>redis-not-empty</c>, <c>redis-keys-exist</c>, <c>redis-keys-many</c>, <c>redis-keys-missing</c>, <c>redis-read-only</c>, <c>redis-cluster</c>; or what the server says.</exception>
    public async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RedisTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        var snapshot = StoredSnapshot.Of(repository, manifest);
        var facts = await snapshot.ReadFactsAsync(cancellationToken);
        await using var server = await RedisConnection.OpenAsync(target.Endpoint, cancellationToken);
        var info = await RequireReadyAsync(server, cancellationToken);
        if (target.Keys is null)
        {
            return LogicalRestore.Plan(manifest, target, PlanKind, [.. await PlanAllAsync(server, info, facts, target, cancellationToken), .. EvictionNote(info)]);
        }

        var conflicts = new KeyConflicts(snapshot, target, time);
        var notes = await conflicts.ReadAsync(server, cancellationToken);
        return LogicalRestore.Plan(manifest, target, PlanKind, [.. notes, .. EvictionNote(info)]) with { Difference = conflicts.Difference };
    }

    /// <summary>Executes a plan that was confirmed.</summary>
    /// <exception cref="EngineException">As <see cref="PlanAsync"/>; <c>plan-changed</c>, <c>redis-out-of-memory</c> (also where the server dropped keys to make room), <c>redis-target-older</c>. An empty server is empty again then.</exception>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        LogicalRestore.RequireSame(work.Plan, work.ConfirmedHash, work.Manifest);
        var target = (RedisTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var snapshot = StoredSnapshot.Of(work.Repository, work.Manifest);
        await using var server = await RedisConnection.OpenAsync(target.Endpoint, cancellationToken);
        var began = time.GetTimestamp();
        var notes = new List<string>();
        if (target.Keys is null)
        {
            await RestoreAllAsync(work, snapshot, server, target, notes, cancellationToken);
        }
        else
        {
            await RestoreKeysAsync(work, snapshot, server, target, notes, cancellationToken);
        }

        return new RestoreOutcome(work.Manifest.Bytes, time.GetElapsedTime(began).TotalSeconds, []) { Notes = notes };
    }

    /// <summary>
    /// What it came to where the operation's mark says that it is finished; or where none is left, not that of a refused one either, and each key of the snapshot is
    /// there as it was, but for those whose time is over.
    /// </summary>
    public async Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        var target = (RedisTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        if (target.Keys is not null)
        {
            // Doing it again finds the keys that are there with the same content, and leaves them.
            return null;
        }

        var facts = await StoredSnapshot.Of(work.Repository, work.Manifest).ReadFactsAsync(cancellationToken);
        await using var server = await RedisConnection.OpenAsync(target.Endpoint, cancellationToken);
        if (await HasAsync(server, FinishedMarkOf(work.Operation), cancellationToken))
        {
            return new RestoreOutcome(work.Manifest.Bytes, null, []);
        }

        if (facts.Keys == facts.Expiring || await HasMarkAsync(server, work.Operation, cancellationToken) || await HasAsync(server, RefusedPrefix + HashOf(work.Operation), cancellationToken))
        {
            return null;
        }

        // Not by counting: a server that drops keys may have dropped the mark of half a restore.
        var snapshot = StoredSnapshot.Of(work.Repository, work.Manifest);
        if (!await new KeyConflicts(snapshot, target with { Keys = "*" }, time).AreAllThereAsync(server, cancellationToken)
            || (await server.CallAsync(["FUNCTION", "LIST"], cancellationToken) is { Kind: RespKind.Array, Items.Count: var libraries } && libraries < snapshot.Functions.Count))
        {
            return null;
        }

        return new RestoreOutcome(work.Manifest.Bytes, null, []);
    }

    /// <summary>Removes the mark of a restore that is finished and on record.</summary>
    public static async Task SettleAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (RedisTarget)RestoreTarget.Parse(plan.Target, "/");
        if (target.Keys is null)
        {
            await using var server = await RedisConnection.OpenAsync(target.Endpoint, cancellationToken);
            await server.RequireAsync(["SELECT", "0"], cancellationToken);
            await server.RequireAsync(["DEL", FinishedMarkOf(operation)], cancellationToken);
        }
    }

    /// <summary>Empties the server that bears the operation's mark: it was empty before, and what is in it is half a snapshot.</summary>
    public static async Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (RedisTarget)RestoreTarget.Parse(plan.Target, "/");
        if (target.Keys is not null)
        {
            return "keys that were restored before it ended stay as they are";
        }

        await using var server = await RedisConnection.OpenAsync(target.Endpoint, cancellationToken);
        if (!await HasMarkAsync(server, operation, cancellationToken))
        {
            return null;
        }

        await EmptyAsync(server, cancellationToken);
        return $"emptied {target.Endpoint.Address}, which an interrupted attempt had half filled";
    }

    private static async Task<List<string>> PlanAllAsync(RedisConnection server, RedisServerInfo info, RedisFacts facts, RedisTarget target, CancellationToken cancellationToken)
    {
        await RequireEmptyAsync(server, info, target, cancellationToken);
        var notes = new List<string>();
        if (info.Number("maxmemory") is > 0 and var most && facts.Cost?.UsedMemoryBytes is { } needed && needed > most)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"the server's maxmemory is {most} bytes, and the source used {needed}: it may not hold all of it"));
        }

        if (facts.Expiring > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{facts.Expiring} keys have an expiry: those whose time is over by then are left out"));
        }

        if (facts.Users is { Count: > 0 } users)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"the {users.Count} users of the source are not made: they lie in the restore point as {RedisBackup.UsersArtifact}"));
        }

        notes.Add("keep applications away from it until it has ended: where it fails, the server is emptied again, whoever wrote there meanwhile");
        if (facts.NeedsModules)
        {
            notes.Add("a module wrote into the source: keys of its types need the same module in this server");
        }

        return notes;
    }

    /// <summary>A server that evicts takes every key, and drops others for it without a word.</summary>
    private static IEnumerable<string> EvictionNote(RedisServerInfo info)
    {
        if (info.Number("maxmemory") is > 0 and var most && info.Text("maxmemory_policy") is { } policy && policy != "noeviction")
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"the server drops keys by its maxmemory-policy {policy} when it reaches {most} bytes: if it drops any meanwhile, the restore fails");
        }
    }

    private async Task RestoreAllAsync(
        RestoreWork work, StoredSnapshot snapshot, RedisConnection server, RedisTarget target, List<string> notes, CancellationToken cancellationToken)
    {
        var info = await RequireReadyAsync(server, cancellationToken);
        if (await HasMarkAsync(server, work.Operation, cancellationToken))
        {
            work.Log?.Invoke("restore", "emptying the server, which an interrupted attempt of this restore had half filled");
            await EmptyAsync(server, cancellationToken);
        }
        else
        {
            await RequireEmptyAsync(server, info, target, cancellationToken);
        }

        await server.RequireAsync(["SELECT", "0"], cancellationToken);
        await server.RequireAsync(["SET", MarkOf(work.Operation), "half of a restore is here; it is removed with the restore's end"], cancellationToken);
        try
        {
            var restorer = new KeyRestorer(server, time);
            var progress = new RestoreProgress(work.Progress);
            await foreach (var batch in snapshot.ReadAsync((_, _) => true, progress, cancellationToken))
            {
                await restorer.RestoreAsync(batch, cancellationToken);
            }

            foreach (var code in snapshot.Functions)
            {
                await server.RequireAsync(["FUNCTION", "LOAD", code], cancellationToken);
            }

            if (await EvictedAsync(server, info, cancellationToken) is > 0 and var evicted)
            {
                // The mark may be among what it dropped, and then nobody else could tell whose keys these are.
                await EmptyAsync(server, cancellationToken);
                throw Evicted(evicted, target, "it is empty again");
            }

            await server.RequireAsync(["SELECT", "0"], cancellationToken);
            await RenameMarkAsync(server, work.Operation, FinishedMarkOf(work.Operation), cancellationToken);
            work.Log?.Invoke("restore", $"{restorer.Restored} keys, {restorer.Expired} whose time was over, {snapshot.Functions.Count} libraries of functions");
            NoteExpired(restorer, notes);
        }
        catch (EngineException fault) when (fault.Code == KeyRestorer.TakenCode)
        {
            // Somebody writes there: emptying it would take theirs too. Without the mark nothing empties it later either; another one says
            // that it has not come to its end, however many keys are there.
            await TryAsync(target, work, own => RenameMarkAsync(own, work.Operation, RefusedPrefix + HashOf(work.Operation), CancellationToken.None));
            throw new EngineException(
                fault.Code, fault.Kind, $"{fault.Message}; what was restored until then stays beside it", "keep applications away from it, empty it, and make the plan again", fault);
        }
        catch
        {
            await TryEmptyAsync(target, work);
            throw;
        }
    }

    private async Task RestoreKeysAsync(
        RestoreWork work, StoredSnapshot snapshot, RedisConnection server, RedisTarget target, List<string> notes, CancellationToken cancellationToken)
    {
        await RequireReadyAsync(server, cancellationToken);
        // What the plan showed must still be what is there: nothing is overwritten that nobody saw.
        var conflicts = new KeyConflicts(snapshot, target, time);
        var found = await conflicts.ReadAsync(server, cancellationToken);
        if (!conflicts.AreWithin(work.Plan.Notes))
        {
            throw new EngineException("plan-changed", ErrorKind.Conflict, $"keys of {target.Endpoint.Address} changed since the plan was made: {found[0]}", "look at the plan again and confirm it as it is now");
        }

        var before = await RedisServerInfo.ReadAsync(server, cancellationToken);
        var restorer = new KeyRestorer(server, time, conflicts.Overwrites);
        await foreach (var batch in snapshot.ReadAsync(conflicts.IsWanted, new RestoreProgress(work.Progress), cancellationToken))
        {
            var wanted = batch.Where(key => !conflicts.IsThere(key)).ToList();
            await restorer.RestoreAsync(wanted, cancellationToken);
        }

        work.Log?.Invoke("restore", $"{restorer.Restored} keys restored, {conflicts.Same} were there already with the same content, {restorer.Expired} whose time was over");
        NoteExpired(restorer, notes);
        if (await EvictedAsync(server, before, cancellationToken) is > 0 and var evicted)
        {
            // A cache that is full drops keys all the time: what counts is whether those that were wanted are there.
            var after = new KeyConflicts(snapshot, target with { Replace = true }, time);
            await after.ReadAsync(server, cancellationToken);
            if (after.Missing > 0)
            {
                throw Evicted(evicted, target, string.Create(CultureInfo.InvariantCulture, $"{after.Missing} of those that were restored are not there any more; the others stay"));
            }

            notes.Add(string.Create(CultureInfo.InvariantCulture, $"the server dropped {evicted} other keys meanwhile, to make room"));
        }
    }

    private static void NoteExpired(KeyRestorer restorer, List<string> notes)
    {
        if (restorer.Expired > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{restorer.Expired} keys were left out, since their time was over"));
        }
    }

    /// <summary>How many keys the server has dropped since it was looked at.</summary>
    private static async Task<long> EvictedAsync(RedisConnection server, RedisServerInfo before, CancellationToken cancellationToken) =>
        ((await RedisServerInfo.ReadAsync(server, cancellationToken)).Number("evicted_keys") ?? 0) - (before.Number("evicted_keys") ?? 0);

    private static EngineException Evicted(long keys, RedisTarget target, string left) => new(
        "redis-out-of-memory", ErrorKind.OutOfSpace, string.Create(CultureInfo.InvariantCulture, $"{target.Endpoint.Address} reached maxmemory and dropped {keys} keys while these were restored; {left}"),
        "raise maxmemory, set maxmemory-policy noeviction for the restore, or restore into a server with more memory");

    private static async Task<RedisServerInfo> RequireReadyAsync(RedisConnection server, CancellationToken cancellationToken)
    {
        var info = await RedisServerInfo.ReadAsync(server, cancellationToken);
        return info switch
        {
            { IsLoading: true } => throw RedisFault.Of("LOADING", server.Endpoint, "RESTORE"),
            { IsCluster: true } => throw new EngineException("redis-cluster", ErrorKind.Unsupported, $"{server.Endpoint.Address} is a node of a Redis Cluster", "name a stand-alone server"),
            { Role: "slave" } => throw RedisFault.Of("READONLY", server.Endpoint, "RESTORE"),
            _ => info,
        };
    }

    /// <summary>Its functions too: a restore that fails takes all of them away.</summary>
    private static async Task RequireEmptyAsync(RedisConnection server, RedisServerInfo info, RedisTarget target, CancellationToken cancellationToken)
    {
        // Servers before Redis 7 do not know them, and answer with an error.
        if (await server.CallAsync(["FUNCTION", "LIST"], cancellationToken) is { Kind: RespKind.Array, Items.Count: > 0 and var libraries })
        {
            throw new EngineException("redis-not-empty", ErrorKind.Conflict, string.Create(CultureInfo.InvariantCulture, $"{target.Endpoint.Address} holds {libraries} libraries of functions; it was not touched"),
                "name an empty server, or take them away with FUNCTION FLUSH where nobody needs them");
        }

        if (info.Keys > 0)
        {
            throw new EngineException("redis-not-empty", ErrorKind.Conflict, string.Create(CultureInfo.InvariantCulture, $"{target.Endpoint.Address} holds {info.Keys} keys; it was not touched"),
                "name an empty server, or single keys with keys=PATTERN, or restore in place with redisdata:/path while the server is stopped");
        }
    }

    private static string MarkOf(string operation) => MarkPrefix + HashOf(operation);

    private static string FinishedMarkOf(string operation) => FinishedPrefix + HashOf(operation);

    private static string HashOf(string operation) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..16];

    private static Task<bool> HasMarkAsync(RedisConnection server, string operation, CancellationToken cancellationToken) => HasAsync(server, MarkOf(operation), cancellationToken);

    private static async Task<bool> HasAsync(RedisConnection server, string mark, CancellationToken cancellationToken)
    {
        await server.RequireAsync(["SELECT", "0"], cancellationToken);
        return (await server.RequireAsync(["EXISTS", mark], cancellationToken)).Integer == 1;
    }

    /// <summary>In one step, so that there is no instant at which a restore that ended has no mark or one that does not pass.</summary>
    private static async Task RenameMarkAsync(RedisConnection server, string operation, string mark, CancellationToken cancellationToken)
    {
        await server.RequireAsync(["MULTI"], cancellationToken);
        await server.RequireAsync(["EXPIRE", MarkOf(operation), FinishedSeconds], cancellationToken);
        await server.RequireAsync(["RENAME", MarkOf(operation), mark], cancellationToken);
        var done = await server.RequireAsync(["EXEC"], cancellationToken);
        if (done.Items.FirstOrDefault(answer => answer.IsError) is { } refused)
        {
            throw RedisFault.Of(refused.Text, server.Endpoint, "RENAME");
        }
    }

    private static async Task EmptyAsync(RedisConnection server, CancellationToken cancellationToken)
    {
        await server.RequireAsync(["FLUSHALL"], cancellationToken);
        await server.CallAsync(["FUNCTION", "FLUSH"], cancellationToken);
    }

    private static Task TryEmptyAsync(RedisTarget target, RestoreWork work) => TryAsync(target, work, server => EmptyAsync(server, CancellationToken.None));

    /// <summary>Where the operation's mark is. Over a connection of its own: the other may have unread answers. Where it cannot be, the mark tells.</summary>
    private static async Task TryAsync(RedisTarget target, RestoreWork work, Func<RedisConnection, Task> act)
    {
        try
        {
            await using var server = await RedisConnection.OpenAsync(target.Endpoint, CancellationToken.None);
            if (await HasMarkAsync(server, work.Operation, CancellationToken.None))
            {
                await act(server);
            }
        }
        catch (EngineException fault)
        {
            work.Log?.Invoke("cleanup", $"{target.Endpoint.Address} was left as it is, with half of the restore in it: {fault.Message}");
        }
    }
}
