using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Validation.Drills;

/// <summary>What stands in a copy that was recovered to a moment.</summary>
/// <param name="Heartbeat">The newest heartbeat in it, or null.</param>
/// <param name="LastCommit">The last commit in it, or null where nothing was replayed.</param>
/// <param name="NextCommit">The commit before which replay stopped, or null where the WAL ended.</param>
/// <param name="Damage">What pg_amcheck found; null for nothing.</param>
internal sealed record RecoveredMoment(HeartbeatBeat? Heartbeat, DateTimeOffset? LastCommit, DateTimeOffset? NextCommit, string? Damage);

/// <summary>
/// Recovers a cluster to a moment in a scratch folder that is kept apart as in every validation: another user, no network,
/// nothing of the source's configuration. Gone afterwards, also after a crash.
/// </summary>
internal sealed class PointInTimeProof(
    ValidationOptions options, ProcessRegistry registry, TimeProvider time, BackupRepository repository, string database, IProgress<TransferProgress>? progress, Action<string, string> log)
{
    private readonly List<DrillPhase> _phases = [];

    /// <summary>Seconds of fetch, unpack, replay and verify, as far as it came.</summary>
    public IReadOnlyList<DrillPhase> Phases => _phases;

    /// <summary>Up to a server that answers at the moment: what a recovery would take. Null where it did not come to that.</summary>
    public double? RestoreSeconds { get; private set; }

    /// <summary>A recovered server in its folder; both are gone when it is disposed.</summary>
    internal sealed record Copy(ScratchPostgres Server, ScratchFolder Folder, ClusterFacts Facts, PostgresBinaries Binaries) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            await Folder.DisposeAsync();
        }
    }

    /// <summary>Recovers, looks, and removes everything.</summary>
    /// <exception cref="DrillNotProvableException">This machine has no such PostgreSQL, or cannot keep a server apart.</exception>
    /// <exception cref="EngineException"><c>recovery-out-of-reach</c>, <c>wal-missing</c>; kind Damaged; a server that does not start.</exception>
    public async Task<RecoveredMoment> RunAsync(Manifest manifest, DrillMoment moment, CancellationToken ct)
    {
        await using var copy = await RecoverAsync(manifest, moment, ct);
        return await MeasureAsync("verify", () => LookAsync(copy.Server, copy.Facts, manifest.Source, copy.Folder, copy.Binaries, ct));
    }

    /// <summary>Recovers to a moment and hands the server over.</summary>
    /// <exception cref="DrillNotProvableException">As <see cref="RunAsync"/>, and its other exceptions.</exception>
    public async Task<Copy> RecoverAsync(Manifest manifest, DrillMoment moment, CancellationToken ct)
    {
        var facts = await ClusterFacts.ReadAsync(repository, manifest, ct);
        var binaries = PostgresBinaries.FindAll().FirstOrDefault(server => server.Major == facts.ServerMajor)
            ?? throw new DrillNotProvableException($"no PostgreSQL {facts.ServerMajor} is installed for a scratch server");
        var folder = await ScratchFolder.CreateAsync(options.ScratchRoot, options.ProtectedPaths, registry, ct);
        try
        {
            return new Copy(await RecoverIntoAsync(folder, manifest, facts, binaries, moment, ct), folder, facts, binaries);
        }
        catch
        {
            await folder.DisposeAsync();
            throw;
        }
    }

    private async Task<ScratchPostgres> RecoverIntoAsync(ScratchFolder folder, Manifest manifest, ClusterFacts facts, PostgresBinaries binaries, DrillMoment moment, CancellationToken ct)
    {
        if (!folder.Isolation.IsComplete)
        {
            throw new DrillNotProvableException(folder.Isolation.Reason ?? "the scratch server cannot be kept apart");
        }

        var began = time.GetTimestamp();
        var target = new PgDataTarget(folder.DataFolder, Time: moment.Moment, Timeline: moment.Timeline);
        var path = await MeasureAsync("fetch", () => FetchAsync(manifest, facts, target, folder, isAll: false, ct));
        await MeasureAsync("unpack", async () =>
        {
            await new ClusterUnpack(repository, manifest, facts).WriteAsync(folder.DataFolder, folder.FileOf("tablespaces"), folder.User, progress, ct);
            ClusterUnpack.DropLeads(folder.DataFolder);
            LocalFolder.WritePrivateFile(Path.Combine(folder.DataFolder, "recovery.signal"), [], folder.User);
            return true;
        });
        log("replay", $"PostgreSQL {binaries.Version} replays to {target.MomentText}");
        var server = await MeasureAsync("replay", () => ReplayAsync(manifest, facts, target, path, folder, ct));
        RestoreSeconds = time.GetElapsedTime(began).TotalSeconds;
        return server;
    }

    private async Task<RecoveryPath> FetchAsync(Manifest manifest, ClusterFacts facts, PgDataTarget target, ScratchFolder folder, bool isAll, CancellationToken ct)
    {
        var archive = await repository.OpenWalAsync(manifest.Source, ulong.Parse(facts.SystemIdentifier, System.Globalization.CultureInfo.InvariantCulture), ct);
        var path = RecoveryPath.Find(manifest, facts, await archive.CoverageAsync(ct), target);
        var fetched = await archive.FetchAsync(path.Timeline, path.From, isAll ? path.Until : path.Enough, WalOf(folder), progress, ct);
        OwnedFolder.Give(WalOf(folder), folder.User);
        log("fetch", $"{fetched.Files.Count} files of WAL, {fetched.Bytes:N0} bytes, along timeline {path.Timeline}");
        return path;
    }

    /// <summary>As a restore does: where no commit after the moment is stored, the end of the WAL is taken for it.</summary>
    private async Task<ScratchPostgres> ReplayAsync(Manifest manifest, ClusterFacts facts, PgDataTarget target, RecoveryPath path, ScratchFolder folder, CancellationToken ct)
    {
        try
        {
            return await StartAsync(facts, RecoverySettings.For(path, target, WalOf(folder), isBounded: true), folder, ct);
        }
        catch (EngineException fault) when (ReplayLog.EndedBeforeTarget(fault))
        {
            log("replay", "no commit after that moment yet; fetching the rest of the WAL");
        }

        path = await FetchAsync(manifest, facts, target, folder, isAll: true, ct);
        try
        {
            return await StartAsync(facts, RecoverySettings.For(path, target, WalOf(folder), isBounded: true), folder, ct);
        }
        catch (EngineException fault) when (ReplayLog.EndedBeforeTarget(fault))
        {
            log("replay", "no commit after that moment is stored, so the end of the WAL is taken for it");
        }

        var server = await StartAsync(facts, RecoverySettings.For(path, target, WalOf(folder), isBounded: false), folder, ct);
        if (ReplayEnd.FaultOf(ReplayLog.Read(await File.ReadAllTextAsync(folder.FileOf("server.log"), ct)), path) is { } early)
        {
            await server.DisposeAsync();
            throw new EngineException("recovery-target-not-reached", ErrorKind.Damaged, early, "look at the tier's WAL: drconsole wal status");
        }

        return server;
    }

    private Task<ScratchPostgres> StartAsync(ClusterFacts facts, Dictionary<string, string> recovery, ScratchFolder folder, CancellationToken ct)
    {
        // What the log says of times is read as UTC.
        recovery["timezone"] = "UTC";
        return ScratchPostgres.StartAsync(ClusterProof.ScratchFor(options, facts, recovery) with { KeepsFolder = true }, folder, registry, time, ct);
    }

    private async Task<RecoveredMoment> LookAsync(ScratchPostgres server, ClusterFacts facts, string source, ScratchFolder folder, PostgresBinaries binaries, CancellationToken ct)
    {
        var replayed = ReplayLog.Read(await File.ReadAllTextAsync(folder.FileOf("server.log"), ct));
        var settings = server.ConnectionString(database);
        (settings.Pooling, settings.CommandTimeout) = (false, 0);
        HeartbeatBeat? heartbeat;
        await using (var connection = new NpgsqlConnection(settings.ConnectionString))
        {
            await connection.OpenAsync(ct);
            heartbeat = await HeartbeatTable.ReadAsync(connection, source, ct);
        }

        log("verify", "pg_amcheck: every table, every index and that they agree");
        var place = new PostgresSource { Host = server.Host, Port = server.Port, Database = "postgres", Username = facts.Superuser };
        using var tools = SourceTools.ForUser(place, binaries, registry, "/dev/null", folder.User);
        var result = await ToolProcess.RunAsync(tools.Amcheck(Environment.ProcessorCount).Command, registry, ct);
        return new RecoveredMoment(heartbeat, replayed.Last, replayed.Next, result.ExitCode == 0 ? null : (result.ErrorTail + result.Output).Trim());
    }

    private async Task<T> MeasureAsync<T>(string phase, Func<Task<T>> work)
    {
        var began = time.GetTimestamp();
        try
        {
            return await work();
        }
        finally
        {
            _phases.Add(new DrillPhase(phase, time.GetElapsedTime(began).TotalSeconds));
        }
    }

    private static string WalOf(ScratchFolder folder) => folder.FileOf("wal");
}

/// <summary>Nothing is known to be wrong, but it cannot be shown on this machine.</summary>
internal sealed class DrillNotProvableException(string why) : Exception(why);
