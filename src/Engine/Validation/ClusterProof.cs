using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Steps four and five for a physical PostgreSQL backup. Four unpacks the cluster into a scratch folder and lets pg_verifybackup
/// compare every file and parse the WAL. Five starts a server on it that is kept apart, replays to the named restore point,
/// compares the content with the facts of that place, checks every table and index (amcheck) and every page's checksum.
/// </summary>
internal sealed class ClusterProof(
    ValidationOptions options, ProcessRegistry registry, TimeProvider time, BackupRepository repository, IProgress<TransferProgress>? progress,
    Action<string, string>? log) : IAsyncDisposable
{
    private const int ComparisonLimit = 500;
    private static readonly TimeSpan s_replayPatience = TimeSpan.FromMinutes(30);
    private ScratchFolder? _folder;
    private PostgresBinaries? _binaries;
    private double _unpackSeconds;

    /// <summary>Step four.</summary>
    public async Task<StepOutcome> UnpackAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var facts = await ClusterFacts.ReadAsync(repository, manifest, cancellationToken);
        _binaries = PostgresBinaries.FindAll().FirstOrDefault(server => server.Major == facts.ServerMajor);
        if (_binaries is null)
        {
            return StepOutcome.CannotProve($"no PostgreSQL {facts.ServerMajor} is installed for a scratch server, and files of one major version are read by no other");
        }

        _folder = await ScratchFolder.CreateAsync(options.ScratchRoot, options.ProtectedPaths, registry, cancellationToken);
        if (!_folder.Isolation.IsComplete)
        {
            return StepOutcome.CannotProve(_folder.Isolation.Reason ?? "the scratch server cannot be kept apart");
        }

        log?.Invoke(ValidationSteps.ContentStructure, "unpacking the cluster");
        var began = time.GetTimestamp();
        await new ClusterUnpack(repository, manifest, facts).WriteAsync(_folder.DataFolder, _folder.FileOf("tablespaces"), _folder.User, progress, cancellationToken);
        _unpackSeconds = time.GetElapsedTime(began).TotalSeconds;
        var size = manifest.Artifacts.Where(artifact => artifact.Type == StoredArtifact.TreeType).Sum(artifact => artifact.Length);
        if (!File.Exists(Path.Combine(_folder.DataFolder, BackupManifestFile.Name)))
        {
            return StepOutcome.CannotProve("the restore point has no backup_manifest that pg_verifybackup could compare with");
        }

        log?.Invoke(ValidationSteps.ContentStructure, $"pg_verifybackup of {size:N0} bytes");
        var result = await RunAsync("pg_verifybackup", [_folder.DataFolder], cancellationToken);
        return result.ExitCode == 0
            ? StepOutcome.Passed($"pg_verifybackup found {size:N0} bytes in {manifest.Artifacts.Sum(artifact => artifact.Items ?? 0):N0} files, and the WAL from {facts.StartLsn} to {facts.StopLsn}, as they were stored")
            : StepOutcome.Failed($"pg_verifybackup: {Shorten(result)}", []);
    }

    /// <summary>Step five; after step four only.</summary>
    public async Task<StepOutcome> ProveAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var facts = await ClusterFacts.ReadAsync(repository, manifest, cancellationToken);
        var folder = _folder!;
        ClusterUnpack.DropLeads(folder.DataFolder);
        var began = time.GetTimestamp();
        log?.Invoke(ValidationSteps.Restorability, $"starting a scratch PostgreSQL {_binaries!.Version} and replaying WAL from {facts.StartLsn}");
        StepOutcome outcome;
        await using (var scratch = await StartAsync(folder, facts, manifest, cancellationToken))
        {
            var seconds = _unpackSeconds + time.GetElapsedTime(began).TotalSeconds;
            log?.Invoke(ValidationSteps.Restorability, $"restored and replayed in {seconds:0.0} s; comparing content");
            outcome = await CompareAsync(scratch, facts, manifest, cancellationToken) with { RestoreSeconds = seconds };
            outcome = await AlsoAsync(outcome, "amcheck", () => AmcheckAsync(scratch, facts, cancellationToken));
            await scratch.ShutDownAsync(cancellationToken);
            if (facts.HasChecksums)
            {
                outcome = await AlsoAsync(outcome, "checksums", () => ChecksumsAsync(cancellationToken));
            }
        }

        return outcome with
        {
            Isolation = $"user {(folder.Isolation.UserSeparated ? "separated" : "not separated")}, network {(folder.Isolation.NetworkSeparated ? "separated" : "not separated")}",
        };
    }

    public ValueTask DisposeAsync() => _folder?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>As a restore of the point would: what is proven is that this works.</summary>
    private async Task<ScratchPostgres> StartAsync(ScratchFolder folder, ClusterFacts facts, Manifest manifest, CancellationToken cancellationToken)
    {
        var recovery = await RecoverySettings.ForOwnAsync(repository, manifest, facts, folder.FileOf("wal"), folder.User, cancellationToken);
        if (facts.RestorePointName is { } name)
        {
            // All WAL lies in the directory already; a recovery must have a command to ask for more all the same.
            recovery.TryAdd("restore_command", "/bin/false");
            recovery["recovery_target_name"] = name;
            recovery["recovery_target_action"] = "promote";
        }

        if (recovery.Count > 0)
        {
            LocalFolder.WritePrivateFile(Path.Combine(folder.DataFolder, "recovery.signal"), [], folder.User);
        }

        return await ScratchPostgres.StartAsync(ScratchFor(options, facts, recovery), folder, registry, time, cancellationToken);
    }

    /// <summary>A scratch server for a cluster's restored files, which replays as it is told.</summary>
    internal static ScratchPostgresOptions ScratchFor(ValidationOptions options, ClusterFacts facts, IReadOnlyDictionary<string, string> recovery) => new()
    {
        Root = options.ScratchRoot,
        Major = facts.ServerMajor,
        ProtectedPaths = options.ProtectedPaths,
        Superuser = facts.Superuser,
        StartTimeout = s_replayPatience,
        Recovery = recovery,
        Settings = new Dictionary<string, string>
        {
            ["shared_buffers"] = "128MB",
            ["max_locks_per_transaction"] = "256",
            ["max_prepared_transactions"] = facts.Settings.GetValueOrDefault("max_prepared_transactions", "0"),
        },
    };

    private static async Task<StepOutcome> CompareAsync(ScratchPostgres scratch, ClusterFacts cluster, Manifest manifest, BackupRepository repository, CancellationToken ct)
    {
        var facts = await LogicalBackup.ReadFactsAsync(repository, manifest, ct);
        if (cluster.RestorePointName is null && !cluster.IsContentAtEnd)
        {
            return StepOutcome.CannotProve($"it starts, but its content cannot be compared: {cluster.WithoutRestorePoint}");
        }

        var settings = scratch.ConnectionString(facts.Database);
        settings.Pooling = false;
        settings.CommandTimeout = 0;
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            var only = facts.AllTables ? null : facts.Tables.Select(table => table.FullName).ToHashSet(StringComparer.Ordinal);
            var found = await ContentFactsReader.ReadDatabaseAsync(connection, only, null, ct, skipUnlogged: true);
            return Judge(facts, FactsComparison.Compare(facts, found, isReplayed: true), cluster.MovingTables);
        }
        catch (PostgresException refusal)
        {
            // A page that cannot be read, an index that leads nowhere: that is what was looked for.
            return StepOutcome.Failed($"the restored content cannot be read: {refusal.MessageText}", [refusal.TableName ?? facts.Database]);
        }
    }

    private Task<StepOutcome> CompareAsync(ScratchPostgres scratch, ClusterFacts cluster, Manifest manifest, CancellationToken ct) =>
        CompareAsync(scratch, cluster, manifest, repository, ct);

    private static StepOutcome Judge(ContentFacts facts, FactsComparison comparison, IReadOnlyList<string> moving)
    {
        var faults = comparison.Faults.ToList();
        var outcome = comparison.AllEqual
            ? StepOutcome.Passed(
                $"restored and replayed; {comparison.EqualCount} of {comparison.Results.Count} compared items are equal, with {facts.Rows} rows in {facts.Tables.Count} tables"
                + (moving.Count > 0 ? $"; {moving.Count} tables were locked by long transactions and not compared" : ""))
            : StepOutcome.Failed(
                $"the restored content differs: {string.Join("; ", faults.Take(5).Select(fault => fault.ToText()))}{(faults.Count > 5 ? $"; and {faults.Count - 5} more" : "")}",
                faults.Select(fault => $"{fault.Kind} {fault.Name}"));
        return outcome with { Comparison = comparison.Bounded(ComparisonLimit), ComparedObjects = comparison.Results.Count };
    }

    /// <summary>A further look whose fault outweighs what was found so far, and whose success is added to it.</summary>
    private static async Task<StepOutcome> AlsoAsync(StepOutcome before, string name, Func<Task<(string Found, string? Fault)>> look)
    {
        if (before.Status == ValidationStepStatus.Failed)
        {
            return before;
        }

        var (found, fault) = await look();
        return fault is not null
            ? before with { Status = ValidationStepStatus.Failed, Reason = $"{name}: {fault}", NotProvable = false }
            : before with { Reason = $"{before.Reason}; {found}" };
    }

    private async Task<(string Found, string? Fault)> AmcheckAsync(ScratchPostgres scratch, ClusterFacts facts, CancellationToken ct)
    {
        log?.Invoke(ValidationSteps.Restorability, "pg_amcheck: every table, every index and that they agree");
        var source = new PostgresSource { Host = scratch.Host, Port = scratch.Port, Database = "postgres", Username = facts.Superuser };
        using var tools = SourceTools.ForUser(source, _binaries!, registry, "/dev/null", _folder!.User);
        var result = await ToolProcess.RunAsync(tools.Amcheck(Environment.ProcessorCount).Command, registry, ct);
        return result.ExitCode == 0 ? ("pg_amcheck found nothing", null) : ("", Shorten(result));
    }

    private async Task<(string Found, string? Fault)> ChecksumsAsync(CancellationToken ct)
    {
        log?.Invoke(ValidationSteps.Restorability, "pg_checksums: every page");
        var result = await RunAsync("pg_checksums", ["--check", "-D", _folder!.DataFolder], ct);
        return result.ExitCode == 0 ? ("all page checksums are right", null) : ("", Shorten(result));
    }

    private Task<ToolResult> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) => ToolProcess.RunAsync(
        new ToolCommand(_binaries!.PathOf(program), arguments) { RunAs = _folder!.User, Purpose = $"{program} of a scratch cluster", Environment = new Dictionary<string, string> { ["LC_MESSAGES"] = "C" } },
        registry, cancellationToken);

    private static string Shorten(ToolResult result)
    {
        const int MaxText = 600;
        var text = string.Join("; ", (result.ErrorTail + '\n' + result.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(8));
        return string.Create(CultureInfo.InvariantCulture, $"exit code {result.ExitCode}: {(text.Length > MaxText ? text[..MaxText] : text)}");
    }
}
