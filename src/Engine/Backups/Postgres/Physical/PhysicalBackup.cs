using Hexabase.DrConsole.Engine.Backups.Volumes;
using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Captures a whole PostgreSQL cluster as files: by reading its data directory where that is here, else as the server sends
/// them. Each restore point carries the WAL that makes it consistent and is restorable by itself; a named restore point at
/// the end says what its content is.
/// </summary>
/// <param name="registry">Records the programs that are started.</param>
/// <param name="time">The clock.</param>
/// <param name="staging">A folder for what a server with tablespaces sends; emptied again.</param>
/// <param name="clients">Installed client programs; looked for at each capture where null.</param>
public sealed class PhysicalBackup(ProcessRegistry registry, TimeProvider time, string staging, IReadOnlyList<PostgresBinaries>? clients = null)
{
    /// <summary>The strategy in the manifest and the type in the result.</summary>
    public const string Strategy = "physical";

    /// <summary>The tree that holds the data directory.</summary>
    public const string DataArtifactName = "pgdata";

    /// <summary>Property of the manifest: the cluster's own number.</summary>
    public const string SystemProperty = "systemIdentifier";

    /// <summary>Property of the manifest: where replay begins, and where the files are consistent.</summary>
    public const string StartProperty = "startLsn";

    /// <inheritdoc cref="StartProperty"/>
    public const string StopProperty = "stopLsn";

    /// <summary>Property of the manifest: the timeline of both.</summary>
    public const string TimelineProperty = "timeline";

    /// <summary>
    /// Property of the manifest: the timelines before that, oldest first, each with where it was left, as <c>1@0/3000000 2@0/6000000</c>;
    /// absent on the first.
    /// </summary>
    public const string LineageProperty = "lineage";

    /// <summary>Property of the manifest: when the backup ended, on the source's clock; the earliest time that a recovery can aim at.</summary>
    public const string ConsistentProperty = "consistentAt";

    /// <summary>
    /// Captures the cluster into a restore point: from its standby, where it has one that keeps up. Where it does not, or fails on the way,
    /// the server itself is read, and the result says so.
    /// </summary>
    /// <exception cref="EngineException">
    /// What the server, its programs or the store say; <c>data-directory-other</c>, <c>replication-denied</c>,
    /// <c>wal-removed</c>, <c>timeline-changed</c>, <c>files-unreadable</c>. There is no restore point then, and no slot.
    /// </exception>
    public async Task<PostgresBackupResult> CaptureAsync(
        PostgresBackupRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Source.Standby is not { } standby)
        {
            return await CaptureFromAsync(request, repository, progress, log, cancellationToken);
        }

        log?.Invoke("preflight", $"waiting until standby {standby.Address} has replayed what {request.Source.Address} has written");
        var fault = await StandbyFitness.FaultOfAsync(request.Source, request.Gaps, time, log, cancellationToken);
        if (fault is null)
        {
            try
            {
                return await CaptureFromAsync(request with { Source = standby }, repository, progress, log, cancellationToken);
            }
            catch (EngineException failed) when (failed.Kind != ErrorKind.OutOfSpace && !cancellationToken.IsCancellationRequested)
            {
                fault = failed.Message;
            }
        }

        var warning = $"it was taken from the server itself and not from its standby {standby.Address}: {fault}";
        log?.Invoke("warning", warning);
        var result = await CaptureFromAsync(request with { Source = request.Source with { Standby = null } }, repository, progress, log, cancellationToken);
        return result with { Warnings = [warning, .. result.Warnings] };
    }

    private async Task<PostgresBackupResult> CaptureFromAsync(
        PostgresBackupRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var source = request.Source;
        log?.Invoke("preflight", $"checking {source.Address}");
        await using var cluster = await SourceCluster.OpenAsync(source, cancellationToken);
        if (source.DataDirectory is { } directory)
        {
            await cluster.RequireDirectoryAsync(directory, time, cancellationToken);
        }

        await using var wal = await BaseWal.ReserveAsync(source, cancellationToken);
        var earlier = (await repository.ListAsync(cancellationToken)).Points
            .Where(point => point.Source == request.Description.Source && point.Strategy == Strategy).ToList();
        var parent = FindParent(earlier, request, cluster.Facts);
        await using var session = await repository.BeginAsync(
            request.Description with
            {
                Kind = LogicalBackup.Kind,
                Strategy = Strategy,
                CreatedAt = request.Description.CreatedAt ?? time.GetUtcNow(),
                Parent = source.DataDirectory is null ? null : parent?.Id,
                ToolVersions = new Dictionary<string, string>(request.Description.ToolVersions) { ["postgres"] = cluster.Facts.ServerVersion },
            },
            cancellationToken);
        ClusterCopy copy = source.DataDirectory is null
            ? new SentFiles(registry, clients ?? PostgresBinaries.FindClients(), staging)
            : new DirectoryFiles(source.DataDirectory, parent, repository);
        var context = new CopyContext(cluster, source, session, $"drconsole {session.Id.Short}", progress, log, time);
        var copied = await copy.CopyAsync(context, cancellationToken);
        RequireTimeline(source, wal, copied);
        log?.Invoke("facts", "the files are stored; marking a restore point and computing its content facts");
        var segments = new WalSegmentSize(cluster.Facts.WalSegmentBytes);
        var from = new NpgsqlLogSequenceNumber(segments.StartOf(segments.SegmentOf((ulong)copied.Start)));
        var marked = cluster.Facts.FromStandby
            ? await GuardAsync(source, () => new FactsOnStandby(source).ReadAsync(copied.Stop, StoreWalAsync, cancellationToken))
            : await new FactsAtRestorePoint(source).ReadAsync($"drconsole_{session.Id.Value}", time, StoreWalAsync, log, cancellationToken);
        return await CommitAsync(request, repository, session, from, cluster, copied, marked, await AncestorsAsync(source, copied.Timeline, log, cancellationToken), parent is not null, OtherCluster(earlier, cluster.Facts), log, cancellationToken);

        async Task<KnownTables> StoreWalAsync(NpgsqlLogSequenceNumber? lsn)
        {
            // Before the facts: the WAL says what changed between the files and the restore point.
            var to = EndOf(copied, lsn);
            log?.Invoke("wal", $"storing WAL from {from} to {to}");
            var touches = copied.Changes is { } changes && lsn == to ? new WalTouches(changes, (ulong)from, (ulong)copied.Start, segments) : null;
            await wal.StoreAsync(session, from, to, touches, progress, cancellationToken);
            return new KnownTables(
                touches is null || parent is null ? null : await RangedFacts.TryReadAsync(repository, parent, cancellationToken), copied.Changes, copied.Timeline);
        }
    }

    /// <summary>The timelines before the source's own, so that retention knows which base backups lead to which of them. Without, it keeps what the newest needs.</summary>
    private async Task<IReadOnlyList<TimelineSwitch>> AncestorsAsync(PostgresSource source, uint timeline, Action<string, string>? log, CancellationToken cancellationToken)
    {
        try
        {
            return timeline > 1 && await TimelineHistoryFile.ReadAsync(source, timeline, registry, cancellationToken) is { } text ? TimelineHistory.Parse(timeline, text).Ancestors : [];
        }
        catch (EngineException fault)
        {
            log?.Invoke("warning", $"the history of timeline {timeline} is not noted: {fault.Message}");
            return [];
        }
    }

    private static async Task<T> GuardAsync<T>(PostgresSource source, Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, source);
        }
    }

    private static void RequireTimeline(PostgresSource source, BaseWal wal, CopiedCluster copied)
    {
        if (copied.Timeline != wal.Timeline)
        {
            throw new EngineException("timeline-changed", ErrorKind.Unavailable,
                $"{source.Address} went from timeline {wal.Timeline} to {copied.Timeline} while it was read", "run the backup again") { IsTransient = true };
        }
    }

    /// <summary>Where the WAL of a restore point ends: at its mark, and nowhere before its files are consistent.</summary>
    private static NpgsqlLogSequenceNumber EndOf(CopiedCluster copied, NpgsqlLogSequenceNumber? marked) =>
        marked is { } lsn && lsn > copied.Stop ? lsn : copied.Stop;

    private static async Task<PostgresBackupResult> CommitAsync(
        PostgresBackupRequest request, BackupRepository repository, BackupSession session, NpgsqlLogSequenceNumber from, SourceCluster cluster, CopiedCluster copied,
        MarkedFacts marked, IReadOnlyList<TimelineSwitch> ancestors, bool hasParent, string? otherCluster, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var facts = cluster.Facts with
        {
            Timeline = copied.Timeline,
            Route = copied.Route,
            StartLsn = copied.Start.ToString(),
            StopLsn = copied.Stop.ToString(),
            WalStartLsn = from.ToString(),
            WalEndLsn = EndOf(copied, marked.Lsn).ToString(),
            RestorePointName = marked.Name,
            IsContentAtEnd = marked.Lsn == EndOf(copied, marked.Lsn),
            WithoutRestorePoint = marked.Without,
            MovingTables = marked.Moving,
            DamagedPages = copied.Damaged,
            ConfigurationFiles = [.. cluster.ConfigurationFiles.Keys],
        };
        foreach (var (name, text) in cluster.ConfigurationFiles)
        {
            await WriteAsync(session, name, "configuration", Encoding.UTF8.GetBytes(text), cancellationToken);
        }

        await WriteAsync(session, ContentFacts.ArtifactName, "content facts", marked.Facts.ToJson(), cancellationToken);
        if (marked.Ranges.Count > 0)
        {
            await WriteAsync(session, RangedFacts.ArtifactName, "content facts by parts", new RangedFacts
            {
                Version = RangedFacts.CurrentVersion,
                Database = marked.Facts.Database,
                ServerVersionNumber = marked.Facts.ServerVersionNumber,
                Timeline = copied.Timeline,
                Tables = marked.Ranges,
            }.ToJson(), cancellationToken);
        }

        await WriteAsync(session, ClusterFacts.ArtifactName, "cluster facts", facts.ToJson(), cancellationToken);
        var warnings = Warnings(facts, copied, otherCluster);
        foreach (var warning in warnings)
        {
            log?.Invoke("warning", warning);
        }

        log?.Invoke("commit", $"timeline {facts.Timeline}, {facts.StartLsn} to {facts.StopLsn}{(hasParent ? ", unchanged files taken over" : "")}; committing");
        var manifest = await session.CommitAsync((marked.Facts.Summarise() with { Route = facts.Route, Node = request.Source.DataDirectory is null ? null : request.Source.Node }).ToJson(), Properties(request, facts, marked, ancestors), cancellationToken);
        return PostgresBackupResult.From(manifest, marked.Facts, repository.Info, request, withPasswords: true, warnings) with { Type = Strategy };
    }

    /// <summary>The newest restore point of this cluster whose files were read here: what it has of a file that did not change is taken over.</summary>
    private static Manifest? FindParent(List<Manifest> earlier, PostgresBackupRequest request, ClusterFacts facts) =>
        request.Source.DataDirectory is null ? null : earlier.LastOrDefault(point =>
            point.Properties.GetValueOrDefault(SystemProperty) == facts.SystemIdentifier
            && point.Properties.GetValueOrDefault(DirectoryFiles.DirectoryProperty) == request.Source.DataDirectory
            && point.Properties.GetValueOrDefault(DirectoryFiles.NodeProperty) == request.Source.Node);

    /// <summary>
    /// Says when this is not the cluster that it was: another one on the same address, or one that went through a major upgrade, which
    /// makes a new cluster too. Its history begins here, and the WAL before leads nowhere any more.
    /// </summary>
    private static string? OtherCluster(List<Manifest> earlier, ClusterFacts facts)
    {
        if (earlier.LastOrDefault() is not { } last || last.Properties.GetValueOrDefault(SystemProperty) is not { } before || before == facts.SystemIdentifier)
        {
            return null;
        }

        var version = last.ToolVersions.GetValueOrDefault("postgres");
        return version?.Split('.')[0] is { } major && major != facts.ServerMajor.ToString(CultureInfo.InvariantCulture)
            ? $"the server was upgraded from PostgreSQL {version} to {facts.ServerVersion}, or replaced: it is cluster {facts.SystemIdentifier}, and was {before} in restore point {last.Id.Short}"
            : $"another cluster answers on this address: {facts.SystemIdentifier}, where restore point {last.Id.Short} is of {before}";
    }

    private static Dictionary<string, string> Properties(PostgresBackupRequest request, ClusterFacts facts, MarkedFacts marked, IReadOnlyList<TimelineSwitch> ancestors)
    {
        var properties = new Dictionary<string, string>(request.Properties)
        {
            [LogicalBackup.StrategyProperty] = Strategy,
            [LogicalBackup.PasswordsProperty] = "true",
            [LogicalBackup.SnapshotProperty] = marked.Facts.TakenAt.ToString("O", CultureInfo.InvariantCulture),
            [ConsistentProperty] = marked.Facts.TakenAt.ToString("O", CultureInfo.InvariantCulture),
            [SystemProperty] = facts.SystemIdentifier,
            [TimelineProperty] = facts.Timeline.ToString(CultureInfo.InvariantCulture),
            [StartProperty] = facts.StartLsn,
            [StopProperty] = facts.StopLsn,
        };
        if (ancestors.Count > 0)
        {
            properties[LineageProperty] = string.Join(' ', ancestors.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Timeline}@{new Lsn(one.SwitchLsn)}")));
        }

        if (request.Source.DataDirectory is { } directory)
        {
            properties[DirectoryFiles.DirectoryProperty] = directory;
            properties[DataDirectoryMount.MountProperty] = VolumePlace.MountPointOf(directory);
            if (request.Source.Node is { } node)
            {
                properties[DirectoryFiles.NodeProperty] = node;
            }
        }

        return properties;
    }

    private static List<string> Warnings(ClusterFacts facts, CopiedCluster copied, string? otherCluster)
    {
        List<string> warnings = [.. copied.Warnings, .. otherCluster is null ? (string[])[] : [otherCluster]];
        if (facts.DamagedPages is [var first, ..])
        {
            // A page that the server writes while it sends it may travel half old, half new; what was sent cannot be read again.
            var meaning = facts.Route == "files" ? "the source itself is damaged" : "the source is damaged, or was writing them; the validation tells";
            warnings.Add($"{facts.DamagedPages.Count} pages of the source have a wrong checksum, the first is block {first.Block} of {first.File}: {meaning}");
        }

        if (facts.WithoutRestorePoint is { } why)
        {
            warnings.Add($"the content of this restore point cannot be compared: {why}");
        }

        if (facts.MovingTables.Count > 0)
        {
            warnings.Add($"{facts.MovingTables.Count} tables were locked by long transactions and will not be compared: {string.Join(", ", facts.MovingTables.Take(5))}");
        }

        return warnings;
    }

    private static async Task WriteAsync(BackupSession session, string name, string kind, byte[] content, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(content, writable: false);
        await session.WriteStreamAsync(name, kind, stream, null, cancellationToken);
    }
}
