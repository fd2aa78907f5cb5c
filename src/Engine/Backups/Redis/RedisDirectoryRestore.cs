using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Restores a snapshot in place: into the data directory of a server that is stopped. What was there is moved aside within
/// the directory. A server with append-only files ignores <c>dump.rdb</c> and would start empty; so the snapshot is also put
/// there as the base of such files, which is what a server's own rewrite makes. Both are one file with two names.
/// </summary>
/// <remarks>
/// Everything is made in a hidden folder first and marked complete; then the old is moved aside and the new put in its place,
/// name by name. Done again after a crash at any instant it goes on where it stood; abandoned, it puts the old back.
/// </remarks>
public sealed class RedisDirectoryRestore(TimeProvider time)
{
    /// <summary>The kind of its plans.</summary>
    public const string PlanKind = "redis-directory";

    /// <summary>The kind of plans that exchange whatever the server has written until it is stopped.</summary>
    public const string ExchangeKind = "redis-in-place";

    /// <summary>Looks at both ends, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException"><c>directory-missing</c>, <c>server-running</c>.</exception>
    public static async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RedisDirectoryTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        var facts = await StoredSnapshot.Of(repository, manifest).ReadFactsAsync(cancellationToken);
        if (!target.Exchange)
        {
            RequireStopped(target);
        }

        RequireOfRedis(target);
        var old = RedisPlaces.NamesIn(target).Where(name => Path.Exists(Path.Combine(target.Path, name))).ToList();
        List<string> notes =
        [
            target.Exchange ? $"{string.Join(", ", RedisPlaces.NamesIn(target))}, as the stopped server leaves them, are moved aside within the directory, and stay"
                : old.Count == 0 ? "nothing is there that would be moved aside" : $"{string.Join(", ", old)} are moved aside within the directory, and stay",
            $"the snapshot is put there as {target.DumpName} and as the base of append-only files, so that the server finds it with append-only on or off",
        ];
        if (facts.Users is { Count: > 0 })
        {
            notes.Add($"the users of the source are not made: they lie in the restore point as {RedisBackup.UsersArtifact}");
        }

        return target.Exchange
            ? LogicalRestore.Plan(manifest, target, ExchangeKind, notes) with { Difference = RestorePlan.DigestOf(notes) }
            : LogicalRestore.Plan(manifest, target, PlanKind, notes) with { Difference = DifferenceOf(target) };
    }

    /// <summary>Executes a plan that was confirmed.</summary>
    /// <exception cref="EngineException"><c>plan-changed</c>, <c>target-changed</c>, <c>server-running</c>, <c>directory-full</c>, <c>directory-not-writable</c>; the directory is as it was then.</exception>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        LogicalRestore.RequireSame(work.Plan, work.ConfirmedHash, work.Manifest);
        var target = (RedisDirectoryTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var places = RedisPlaces.Of(target, work.Operation);
        if (FindFinished(work) is { } finished)
        {
            return finished;
        }

        RequireStopped(target);
        var began = time.GetTimestamp();
        try
        {
            using var exchange = new RedisExchange(target, places);
            if (!exchange.IsComplete)
            {
                // Nothing has been moved yet: what is there is what will be moved aside.
                RequireAsPlanned(work.Plan, target);
                await PrepareAsync(work, target, exchange, cancellationToken);
            }

            RequireStopped(target);
            RequireOfRedis(target);
            exchange.Swap();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            PutBackAndTell(work, target, places);
            throw DirectoryFault.Of(target.Path, exception, isInPlace: true);
        }
        catch
        {
            PutBackAndTell(work, target, places);
            throw;
        }

        work.Log?.Invoke("restore", $"what was there lies in {places.Aside}");
        return new RestoreOutcome(work.Manifest.Bytes, time.GetElapsedTime(began).TotalSeconds, []) { Notes = [$"what was there is kept in {places.Aside}; remove it when it is no longer needed"] };
    }

    /// <summary>Where an attempt had put everything in its place; what is left of its hidden folder is removed.</summary>
    public static RestoreOutcome? FindFinished(RestoreWork work)
    {
        ArgumentNullException.ThrowIfNull(work);
        var places = RedisPlaces.Of((RedisDirectoryTarget)RestoreTarget.Parse(work.Plan.Target, "/"), work.Operation);
        if (!places.AreDone)
        {
            return null;
        }

        RemoveStaging(places);
        return new RestoreOutcome(work.Manifest.Bytes, null, []) { Notes = [$"what was there is kept in {places.Aside}"] };
    }

    /// <summary>Puts back what an interrupted attempt had moved.</summary>
    public static string? Abandon(RestorePlan plan, string operation)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (RedisDirectoryTarget)RestoreTarget.Parse(plan.Target, "/");
        var places = RedisPlaces.Of(target, operation);
        if (places.AreDone)
        {
            // It had finished: a server may run on it by now.
            RemoveStaging(places);
            return $"the restore had finished, and stays; what was there is kept in {places.Aside}";
        }

        if (!Directory.Exists(places.Staging))
        {
            return null;
        }

        RequireStopped(target);
        return PutBack(target, places) is { } left
            ? $"what was in {target.Path} before an interrupted attempt could not be put back in all, since something of the same name is there; it stays in {left}"
            : $"put {target.Path} back as it was before an interrupted attempt";
    }

    /// <summary>Every file that will be moved aside, as it is now; null where there is none.</summary>
    private static string? DifferenceOf(RedisDirectoryTarget target)
    {
        var old = RedisPlaces.NamesIn(target).Select(name => Path.Combine(target.Path, name)).Where(Path.Exists)
            .SelectMany(path => Directory.Exists(path) ? Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).Prepend(path) : [path])
            .Select(path => new FileInfo(path)).ToList();
        return old.Count == 0 ? null : RestorePlan.DigestOf(old.Select(file => string.Create(CultureInfo.InvariantCulture,
            $"{file.FullName}\0{(file.Exists ? file.Length : -1)}\0{(file.Exists ? file.LastWriteTimeUtc.Ticks : 0)}")));
    }

    private static void RequireAsPlanned(RestorePlan plan, RedisDirectoryTarget target)
    {
        if (!target.Exchange && DifferenceOf(target) != plan.Difference)
        {
            throw new EngineException("target-changed", ErrorKind.Conflict, $"the files of the server in {target.Path} are not those that the plan saw",
                "Look at the plan again and confirm it as it is now. Nothing was changed.");
        }
    }

    private static async Task PrepareAsync(RestoreWork work, RedisDirectoryTarget target, RedisExchange exchange, CancellationToken cancellationToken)
    {
        var staging = exchange.Begin();
        var dump = Path.Combine(staging, target.DumpName);
        await using (var file = new FileStream(dump, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            Options = FileOptions.Asynchronous,
        }))
        {
            await StoredSnapshot.Of(work.Repository, work.Manifest).CopyToAsync(file, new RestoreProgress(work.Progress), cancellationToken);
            file.Flush(flushToDisk: true);
        }

        var append = Path.Combine(staging, target.AppendDirectory);
        LocalFolder.CreatePrivate(append);
        var based = $"{target.AppendName}.1.base.rdb";
        LibC.HardLink(dump, Path.Combine(append, based));
        LocalFolder.WritePrivateFile(Path.Combine(append, $"{target.AppendName}.manifest"), Encoding.UTF8.GetBytes($"file {based} seq 1 type b\n"));
        exchange.Complete();
    }

    internal static void RemoveStaging(RedisPlaces places) => BackupRepository.RemoveTree(places.Staging);

    private static void PutBackAndTell(RestoreWork work, RedisDirectoryTarget target, RedisPlaces places)
    {
        if (PutBack(target, places) is { } left)
        {
            work.Log?.Invoke("restore", $"what could not be put back, since something of the same name is there, stays in {left}");
        }
    }

    /// <returns>Where some of the old stays that could not be put back; else null.</returns>
    private static string? PutBack(RedisDirectoryTarget target, RedisPlaces places)
    {
        using var exchange = new RedisExchange(target, places);
        return exchange.PutBack();
    }

    /// <summary>Refuses to touch the files of a server that runs.</summary>
    internal static void RequireStopped(RedisDirectoryTarget target)
    {
        RequireThere(target);
        if (DirectoryWorkers.Find(target.Path, name => name.StartsWith("redis", StringComparison.Ordinal) || name.StartsWith("valkey", StringComparison.Ordinal)) is { } pid)
        {
            throw new EngineException("server-running", ErrorKind.Conflict, string.Create(CultureInfo.InvariantCulture, $"a Redis server runs on {target.Path} (process {pid})"),
                "stop it first, by the way that it is supervised; nothing was changed");
        }
    }

    private static void RequireThere(RedisDirectoryTarget target)
    {
        if (!Directory.Exists(target.Path))
        {
            throw new EngineException("directory-missing", ErrorKind.NotFound, $"there is no directory {target.Path}", "name the server's data directory (CONFIG GET dir)");
        }
    }

    /// <summary>What is moved aside must be what a Redis wrote: a name in a target is no licence to move anybody's files.</summary>
    private static void RequireOfRedis(RedisDirectoryTarget target)
    {
        RequireThere(target);
        var append = Path.Combine(target.Path, target.AppendDirectory);
        var isOfRedis = new[] { target.DumpName, target.AppendName }.Select(name => Path.Combine(target.Path, name)).All(IsOfRedis)
            && !File.Exists(append) && (!Directory.Exists(append) || Directory.EnumerateFileSystemEntries(append).All(entry => Path.GetFileName(entry).StartsWith(target.AppendName + ".", StringComparison.Ordinal)));
        if (!isOfRedis)
        {
            throw new EngineException("not-a-redis-directory", ErrorKind.Conflict, $"{target.Path} holds files under the names of Redis's that no Redis wrote; nothing was changed",
                "name the server's data directory (CONFIG GET dir), and its names with dump=, append= and appendDir=");
        }
    }

    /// <summary>A snapshot, or a log of commands, or nothing.</summary>
    private static bool IsOfRedis(string path)
    {
        if (!File.Exists(path))
        {
            return !Directory.Exists(path);
        }

        using var file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[5];
        var have = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        return have == 0 || head[0] == (byte)'*' || head[..have].SequenceEqual("REDIS"u8);
    }
}
