using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Captures one Redis server: the snapshot that it sends to a replica goes straight into the repository and is read through
/// on its way. Without the right to that, key by key. The restore point is committed only when the snapshot came to its end
/// with its checksum right.
/// </summary>
public sealed class RedisBackup(TimeProvider time)
{
    /// <summary>The kind of the manifest.</summary>
    public const string Kind = "redis";

    /// <summary>Strategy: a full synchronisation, of one instant.</summary>
    public const string Snapshot = "snapshot";

    /// <summary>Strategy: key by key.</summary>
    public const string Scan = "scan";

    /// <summary>The artifact that holds the snapshot; a server starts on it by this name.</summary>
    public const string SnapshotArtifact = "dump.rdb";

    /// <summary>The artifact that holds the users as <c>ACL LIST</c> prints them, passwords as hashes.</summary>
    public const string UsersArtifact = "users.acl";

    private static readonly TimeSpan s_loadingPatience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_loadingPoll = TimeSpan.FromSeconds(1);

    /// <summary>Captures a server into a restore point.</summary>
    /// <exception cref="EngineException">
    /// <c>server-unreachable</c>, <c>wrong-password</c>, <c>redis-tls-mismatch</c>, <c>redis-privilege-missing</c>, <c>redis-loading</c>,
    /// <c>redis-cluster</c>, <c>redis-replica-detached</c>, <c>redis-sync-cut</c>, <c>redis-restarted</c>, <c>redis-rdb-damaged</c>; or what the store says.
    /// </exception>
    public async Task<BackupResult> CaptureAsync(
        CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(repository);
        var endpoint = EndpointOf(request.Source);
        var warnings = new List<string>();
        log?.Invoke("preflight", $"asking {endpoint.Address}");
        await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
        var info = await WaitLoadedAsync(connection, log, cancellationToken);
        Require(info, endpoint, Warn);
        log?.Invoke("preflight", string.Create(CultureInfo.InvariantCulture, $"Redis {info.Version}, {info.Role}, {info.Keys} keys, {info.Number("used_memory")} bytes of memory"));
        var asked = time.GetUtcNow();
        var began = time.GetTimestamp();
        try
        {
            var strategy = await AskAsync(connection, info, Warn, cancellationToken);
            await using var session = await repository.BeginAsync(request.Description with
            {
                Kind = Kind,
                Strategy = strategy,
                CreatedAt = request.Description.CreatedAt ?? asked,
                ToolVersions = new Dictionary<string, string>(request.Description.ToolVersions) { ["redis"] = info.Version },
            }, cancellationToken);
            log?.Invoke("snapshot", strategy == Snapshot ? "waiting for the server to begin its snapshot" : "reading key by key");
            await using var source = strategy == Snapshot ? await FullSync.BeginAsync(connection, cancellationToken) : new ScanCopy(connection, info, time, Warn).Begin(cancellationToken);
            var waited = time.GetElapsedTime(began);
            log?.Invoke("snapshot", $"receiving, after {waited.TotalSeconds:0.0} s");
            await using var snapshot = new InspectedSnapshot(source);
            await session.WriteStreamAsync(SnapshotArtifact, "redis snapshot", snapshot, new KeyProgress(progress, snapshot, info.Keys), cancellationToken);
            var content = await snapshot.ContentAsync();
            var took = time.GetElapsedTime(began);
            // The first connection is the synchronisation's, which the server closes.
            await using var second = await RedisConnection.OpenAsync(endpoint, cancellationToken);
            var users = await StoreUsersAsync(session, second, Warn, cancellationToken);
            var cost = await new RedisCostReading(time).ReadAsync(second, info, strategy == Snapshot, took, waited, cancellationToken);
            if (!content.HasChecksum)
            {
                Warn("the server writes no checksum into its snapshots (rdbchecksum no): damage on the way to here would not be seen");
            }

            var facts = FactsOf(endpoint, info, content, strategy, strategy == Snapshot ? TakenAt(info, content, asked) : asked, users, cost);
            using (var json = new MemoryStream(facts.ToJson(), writable: false))
            {
                await session.WriteStreamAsync(RedisFacts.ArtifactName, "content facts", json, null, cancellationToken);
            }

            // The server may have handed out a snapshot that it had begun for somebody else, before this backup.
            session.ContentIsOf(facts.TakenAt);
            log?.Invoke("commit", $"{facts.Keys} keys in {facts.Databases.Count} databases, {content.Bytes} bytes; committing");
            var manifest = await session.CommitAsync(facts.ToElement(), request.Properties, cancellationToken);
            return ResultOf(manifest, facts, repository.Info, request, warnings);
        }
        catch (EngineException cut) when (cut.Code is "redis-sync-cut" or "connection-ended")
        {
            throw await WhyCutAsync(cut, endpoint, info, time.GetElapsedTime(began), cancellationToken);
        }

        void Warn(string text)
        {
            warnings.Add(text);
            log?.Invoke("warning", text);
        }
    }

    /// <summary>Reads the facts that a restore point carries.</summary>
    /// <exception cref="EngineException">They are missing, damaged or of an unknown version.</exception>
    public static async Task<RedisFacts> ReadFactsAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, RedisFacts.ArtifactName, buffer, null, cancellationToken);
        return RedisFacts.Parse(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    internal static BackupResult ResultOf(Manifest manifest, RedisFacts facts, RepositoryInfo repository, CaptureRequest request, IReadOnlyList<string> warnings) =>
        BackupResult.Of(manifest, repository, request, facts.Address, facts.TakenAt, warnings) with
        {
            Contents = [new ContentCount("databases", facts.Databases.Count), new ContentCount("keys", facts.Keys), new ContentCount("expiring keys", facts.Expiring)],
        };

    internal static RedisEndpoint EndpointOf(Estate.Source source) => EndpointOf(source.Redis!);

    /// <summary>Where a server with these settings is.</summary>
    internal static RedisEndpoint EndpointOf(Estate.RedisSettings settings) =>
        new(settings.Host, settings.Port) { Username = settings.Username, PasswordFile = settings.PasswordFile, Tls = settings.Tls, CaFile = settings.CaFile };

    /// <summary>A server that loads its data answers nothing else; it says itself how far it is.</summary>
    private async Task<RedisServerInfo> WaitLoadedAsync(RedisConnection connection, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var isTold = false;
        while (true)
        {
            var info = await RedisServerInfo.ReadAsync(connection, cancellationToken);
            if (!info.IsLoading)
            {
                return info;
            }

            if (time.GetElapsedTime(began) > s_loadingPatience)
            {
                throw RedisFault.Of("LOADING", connection.Endpoint, "INFO");
            }

            if (!isTold)
            {
                isTold = true;
                log?.Invoke("preflight", $"the server is loading its data, {info.Text("loading_loaded_perc")} % done; waiting");
            }

            await Task.Delay(s_loadingPoll, time, cancellationToken);
        }
    }

    private static void Require(RedisServerInfo info, RedisEndpoint endpoint, Action<string> warn)
    {
        if (info.IsCluster)
        {
            throw new EngineException("redis-cluster", ErrorKind.Unsupported, $"{endpoint.Address} is a node of a Redis Cluster and holds a part of the keys only", "clusters are not supported yet; stand-alone servers and replicas are");
        }

        if (info.Role == "slave" && info.Text("master_link_status") == "up" && info.Number("master_last_io_seconds_ago") is > 30 and var silent)
        {
            warn($"this replica has heard nothing of its master for {silent} s: its content may be older than it seems");
        }
    }

    private static async Task<string> AskAsync(RedisConnection connection, RedisServerInfo info, Action<string> warn, CancellationToken cancellationToken)
    {
        try
        {
            await FullSync.RequestAsync(connection, cancellationToken);
            return Snapshot;
        }
        catch (EngineException denied) when (denied.Code is "redis-privilege-missing" || (denied.Code == "redis-refused" && denied.Message.Contains("unknown command", StringComparison.OrdinalIgnoreCase)))
        {
            // It answers a scan all the same, with what it held when it lost its master, and that would pass for the content of now.
            if (info.Role == "slave" && info.Text("master_link_status") != "up")
            {
                throw RedisFault.Of("MASTERDOWN its link to its master is not up", connection.Endpoint, "SCAN");
            }

            var scan = await connection.CallAsync(["SCAN", "0", "COUNT", "1"], cancellationToken);
            if (scan.IsError)
            {
                throw;
            }

            warn($"no snapshot of one instant: {denied.Message}. The keys are read one after the other while clients write; for a snapshot grant +psync +sync +replconf");
            return Scan;
        }
    }

    private static async Task<IReadOnlyList<string>?> StoreUsersAsync(BackupSession session, RedisConnection connection, Action<string> warn, CancellationToken cancellationToken)
    {
        var acl = await connection.CallAsync(["ACL", "LIST"], cancellationToken);
        if (acl.IsError)
        {
            warn($"the server's users are not in this backup: {acl.Text}; to have them, grant +acl|list");
            return null;
        }

        using var text = new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(acl.Items.Select(line => line.Text + "\n"))), writable: false);
        await session.WriteStreamAsync(UsersArtifact, "redis users", text, null, cancellationToken);
        return [.. acl.Items.Select(line => line.Text.Split(' ').ElementAtOrDefault(1) ?? "")];
    }

    private static RedisFacts FactsOf(
        RedisEndpoint endpoint, RedisServerInfo info, RdbContent content, string strategy, DateTimeOffset takenAt, IReadOnlyList<string>? users, RedisCost cost) => new()
    {
        Version = RedisFacts.CurrentVersion,
        Address = endpoint.Address,
        ServerVersion = info.Version,
        Role = info.Role,
        RdbVersion = content.Version,
        TakenAt = takenAt,
        IsPointInTime = strategy == Snapshot,
        Databases = content.Databases,
        Functions = content.Functions,
        NeedsModules = content.HasModules,
        Users = users,
        Cost = cost,
    };

    /// <summary>
    /// A server may hand out a snapshot that it had begun for somebody else: its note of when counts, on our clock where the
    /// server tells its own, cut to the second.
    /// </summary>
    private static DateTimeOffset TakenAt(RedisServerInfo info, RdbContent content, DateTimeOffset asked)
    {
        if (!long.TryParse(content.Notes.GetValueOrDefault("ctime"), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            return asked;
        }

        var ahead = info.ServerTime is { } theirs ? theirs - asked : TimeSpan.Zero;
        var made = DateTimeOffset.FromUnixTimeSeconds(seconds) - ahead;
        return info.ServerTime is null && made > asked ? asked : made;
    }

    /// <summary>A cut connection says nothing of why; the server mostly does when it is asked again.</summary>
    private static async Task<EngineException> WhyCutAsync(EngineException cut, RedisEndpoint endpoint, RedisServerInfo before, TimeSpan elapsed, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
            var now = await RedisServerInfo.ReadAsync(connection, cancellationToken);
            return now.Text("run_id") != before.Text("run_id")
                ? new EngineException("redis-restarted", ErrorKind.Unavailable, $"{endpoint.Address} was restarted during the synchronisation", "back up again; nothing was stored", cut) { IsTransient = true }
                : new EngineException("redis-sync-cut", ErrorKind.Unavailable,
                    string.Create(CultureInfo.InvariantCulture, $"{endpoint.Address} runs on, but ended the synchronisation after {elapsed.TotalSeconds:0.0} s"),
                    "look into its log: a client-output-buffer-limit for replicas, repl-timeout (the tier may be too slow), a killed child, or somebody's CLIENT KILL; nothing was stored", cut)
                { IsTransient = true };
        }
        catch (EngineException gone) when (gone.Kind == ErrorKind.Unavailable)
        {
            return new EngineException("server-unreachable", ErrorKind.Unavailable, $"{endpoint.Address} went away during the synchronisation: {gone.Message}", "start the server, and back up again; nothing was stored", cut) { IsTransient = true };
        }
    }
}

/// <summary>Adds the keys that have passed to what the session reports.</summary>
internal sealed class KeyProgress(IProgress<TransferProgress>? progress, InspectedSnapshot snapshot, long keys) : IProgress<TransferProgress>
{
    public void Report(TransferProgress value) => progress?.Report(value with { Phase = "snapshot", ItemsDone = snapshot.Keys, ItemsTotal = Math.Max(keys, snapshot.Keys), IsEstimate = true });
}
