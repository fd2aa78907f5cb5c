using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>A phase of a physical restore and how long it took.</summary>
public sealed record RestorePhase(string Name, double Seconds);

/// <summary>What a physical restore yielded.</summary>
/// <param name="Phases">Fetch, unpack, replay, verify: measured.</param>
/// <param name="LastTransaction">Time of the last commit that was replayed, as the server logged it; null where there was none.</param>
/// <param name="Warnings">What a person should know.</param>
public sealed record PhysicalRestoreResult(IReadOnlyList<RestorePhase> Phases, string? LastTransaction, IReadOnlyList<string> Warnings)
{
    /// <summary>
    /// Where all the WAL that there was has been replayed: when the last of it was stored, up to about which everything committed came
    /// back; where it was taken for a moment that no stored commit follows, the time of the last commit. Else null.
    /// </summary>
    public DateTimeOffset? ReplayedUntil { get; init; }

    /// <summary>From the first byte to a verified, stopped cluster.</summary>
    public double Seconds => Phases.Sum(phase => phase.Seconds);
}

/// <summary>A data directory that is recovered where it stands, instead of one in the work's own folder.</summary>
/// <param name="Data">The data directory.</param>
/// <param name="UnpackAsync">Brings it to the state of the restore point.</param>
/// <param name="BeforeReplay">Called just before a server may write into it for the first time.</param>
internal sealed record RecoveryPlace(string Data, Func<IProgress<TransferProgress>?, CancellationToken, Task> UnpackAsync, Action BeforeReplay);

/// <summary>
/// The work of one physical restore in a folder of its own, which is on record before it exists: a settlement after a crash
/// ends the server and removes it.
/// </summary>
internal sealed class RecoveryWork(
    BackupRepository repository, Manifest manifest, ClusterFacts facts, PgDataTarget target, string folder, string name, ProcessRegistry registry, TimeProvider time,
    RecoveryPlace? place = null, ServerPlace? servers = null)
{
    private const string RecoverySignal = "recovery.signal";
    private const string NotReached = "recovery-target-not-reached";

    private readonly List<RestorePhase> _phases = [];
    private readonly ServerPlace _servers = servers ?? ServerPlace.InPlace();

    /// <summary>True where the end of the WAL was taken for the moment or the place.</summary>
    private bool _endedOpen;

    private ServerUser Owner => _servers.User;

    /// <summary>All of it.</summary>
    public string Folder => folder;

    public string Data => place?.Data ?? Path.Combine(folder, "data");

    public string Tablespaces => Path.Combine(folder, "tablespaces");

    private string WalFolder => Path.Combine(folder, "wal");

    /// <summary>Does everything up to a cluster that is recovered, verified and shut down.</summary>
    public async Task<PhysicalRestoreResult> RunAsync(IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        // An earlier attempt's folder is worth nothing: its replay may have gone further than this one's target.
        await RemoveAsync(registry, name, folder, cancellationToken);
        registry.Write(registry.NewRecord(name, "recovery of a restored cluster", Afterlife.Ended, folder, isServer: true));
        try
        {
            LocalFolder.CreatePrivate(folder, Owner);
            return await RecoverAsync(progress, log, cancellationToken);
        }
        catch
        {
            await RemoveAsync(registry, name, folder, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Ends what runs in the folder and removes it with its record.</summary>
    public static async Task RemoveAsync(ProcessRegistry registry, string name, string folder, CancellationToken cancellationToken)
    {
        if (registry.Find(name)?.Child is { } child)
        {
            await ProcessEnding.EndAsync(child, ProcessEnding.ScratchServer, registry.Time, cancellationToken);
        }

        await LocalFolder.RemoveAsync(folder, registry.Time, cancellationToken);
        if (registry.Find(name) is not null)
        {
            registry.RemoveForGood(name);
        }
    }

    private async Task<PhysicalRestoreResult> RecoverAsync(IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken ct)
    {
        RecoveryPath? path = null;
        if (target.IsPointInTime)
        {
            path = await MeasureAsync("fetch", () => FetchAsync(null, progress, log, ct));
        }

        await MeasureAsync("unpack", async () =>
        {
            log?.Invoke("unpack", $"{manifest.Bytes:N0} bytes of restore point {manifest.Id.Short}");
            await (place?.UnpackAsync(progress, ct) ?? new ClusterUnpack(repository, manifest, facts).WriteAsync(Data, Tablespaces, Owner, progress, ct));
            ClusterUnpack.DropLeads(Data);
            place?.BeforeReplay();
            return true;
        });
        await using var server = await MeasureAsync("replay", () => ReplayAsync(path, progress, log, ct));
        var replayed = ReadLog();
        var early = path is not null && (_endedOpen || target is { ToEnd: true, Time: null }) ? ReplayEnd.FaultOf(replayed, path) : null;
        if (early is not null && !target.ToEnd)
        {
            throw new EngineException(NotReached, ErrorKind.Damaged, early, "look at the tier's WAL (drconsole wal status), take another tier, or ask for as much as can be read (end=true)");
        }

        await MeasureAsync("verify", async () =>
        {
            log?.Invoke("verify", "pg_amcheck: every table, every index and that they agree");
            return await server.AmcheckAsync(ct) is { } damage
                ? throw new EngineException("cluster-damaged", ErrorKind.Damaged, $"the recovered cluster is damaged: {damage}", "recover to a moment before the damage came in")
                : true;
        });
        await server.ShutDownAsync(ct);
        if (place is null)
        {
            await new ClusterUnpack(repository, manifest, facts).WriteConfigurationAsync(Data, Owner, ct);
        }

        log?.Invoke("verify", string.Join(", ", _phases.Select(phase => string.Create(CultureInfo.InvariantCulture, $"{phase.Name} {phase.Seconds:0.0} s"))));
        return new PhysicalRestoreResult(_phases, replayed.LastText, [.. Warnings(replayed, early)]) { ReplayedUntil = ReplayedUntil(path, replayed, early is not null) };
    }

    private IEnumerable<string> Warnings(ReplayLog replayed, string? early)
    {
        if (facts.DamagedPages.Count > 0)
        {
            yield return $"{facts.DamagedPages.Count} pages of the source had a wrong checksum when it was backed up";
        }

        if (early is not null)
        {
            yield return early;
        }

        if (_endedOpen && target.Time is { } moment)
        {
            yield return ReplayEnd.Warning(replayed, moment);
        }
    }

    /// <summary>
    /// Where a moment was asked for that no stored commit follows, the last commit is all that is certain: what was stored behind
    /// the moment may be of long before it, where the receiver or the replication was behind.
    /// </summary>
    private DateTimeOffset? ReplayedUntil(RecoveryPath? path, ReplayLog replayed, bool isShort) => (_endedOpen && target.Time is not null) || isShort
        ? replayed.Last ?? RecoveryPath.ConsistentAt(manifest)
        : target.ToEnd ? new[] { path?.UntilTime, target.Time }.Min() : null;

    private async Task<RecoveryPath> FetchAsync(ulong? until, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken ct)
    {
        var archive = await repository.OpenWalAsync(manifest.Source, ulong.Parse(facts.SystemIdentifier, CultureInfo.InvariantCulture), ct);
        var path = RecoveryPath.Find(manifest, facts, await archive.CoverageAsync(ct), target);
        var fetched = await archive.FetchAsync(path.Timeline, path.From, until ?? path.Enough, WalFolder, progress, ct);
        if (target.Name is { } point)
        {
            await RestorePointNames.RequireAsync(point, fetched, facts, ct);
        }

        OwnedFolder.Give(WalFolder, Owner);
        log?.Invoke("fetch", $"WAL of timeline {path.Timeline} from {new Lsn(fetched.StartLsn)} to {new Lsn(fetched.EndLsn)}: {fetched.Files.Count} files, {fetched.Bytes:N0} bytes");
        return path;
    }

    /// <summary>
    /// Replays. Where the target was not met in the WAL that most likely sufficed, the rest of it is fetched; where even that
    /// has no later commit, although it was stored after the moment, the end of the WAL is taken for the moment's state, which the
    /// result says, and is that of a place that no record follows.
    /// </summary>
    private async Task<RecoveredServer> ReplayAsync(RecoveryPath? path, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken ct)
    {
        var binaries = PostgresBinaries.Find(facts.ServerMajor);
        log?.Invoke("replay", $"PostgreSQL {binaries.Version} replays to {target.MomentText}");
        if (path is null)
        {
            return await ReplayOwnAsync(binaries, ct);
        }

        LocalFolder.WritePrivateFile(Path.Combine(Data, RecoverySignal), [], Owner);
        try
        {
            return await StartAsync(RecoverySettings.For(path, target, WalFolder, isBounded: true), binaries, ct);
        }
        catch (EngineException fault) when (fault.Code == NotReached && target.Name is null)
        {
            log?.Invoke("replay", $"{(target.Time is null ? "nothing begins after that place" : "no commit after that moment")} yet; fetching the rest of the WAL");
        }

        // Also where all of it was there already: a receiver may have stored more meanwhile.
        await FetchAsync(path.Until, progress, log, ct);
        try
        {
            return await StartAsync(RecoverySettings.For(path, target, WalFolder, isBounded: true), binaries, ct);
        }
        catch (EngineException fault) when (fault.Code == NotReached)
        {
            log?.Invoke("replay", target.Time is null
                ? "no record begins between that place and the end of the WAL, so its end is that place"
                : "no commit after that moment is stored, so the end of the WAL is taken for it");
        }

        _endedOpen = true;
        return await StartAsync(RecoverySettings.For(path, target, WalFolder, isBounded: false), binaries, ct);
    }

    /// <summary>The backup's own WAL ends at its restore point, so the end of it is what was asked for.</summary>
    private async Task<RecoveredServer> ReplayOwnAsync(PostgresBinaries binaries, CancellationToken ct)
    {
        var recovery = await RecoverySettings.ForOwnAsync(repository, manifest, facts, WalFolder, Owner, ct);
        if (recovery.Count > 0)
        {
            LocalFolder.WritePrivateFile(Path.Combine(Data, RecoverySignal), [], Owner);
        }

        return await StartAsync(recovery, binaries, ct);
    }

    private Task<RecoveredServer> StartAsync(Dictionary<string, string> recovery, PostgresBinaries binaries, CancellationToken ct) =>
        RecoveredServer.ReplayAsync(name, folder, Data, facts, recovery, binaries, _servers, registry, time, ct);

    private async Task<T> MeasureAsync<T>(string phase, Func<Task<T>> work)
    {
        var began = time.GetTimestamp();
        var result = await work();
        _phases.Add(new RestorePhase(phase, time.GetElapsedTime(began).TotalSeconds));
        return result;
    }

    private ReplayLog ReadLog()
    {
        var log = Path.Combine(folder, "replay.log");
        return ReplayLog.Read(File.Exists(log) ? File.ReadAllText(log) : "");
    }
}
