using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Restores a cluster into a new data directory and recovers it to a moment: fetch, unpack, replay, verify, publish. All of it
/// happens in a folder beside the target that is on record; the target gets its name only when the server was shut down on it
/// in good order, so that no crash leaves half of one under that name.
/// </summary>
/// <param name="registry">Records servers and programs.</param>
/// <param name="time">The clock.</param>
public sealed class PhysicalRestore(ProcessRegistry registry, TimeProvider time)
{
    /// <summary>The kind of its plans.</summary>
    public const string Kind = "pgdata";

    internal const string Marker = "drconsole-restore.json";

    /// <summary>Looks at both ends, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException">
    /// <c>not-a-physical-backup</c>, <c>postgres-missing</c>, <c>directory-not-empty</c>, <c>port-in-use</c>,
    /// <c>folder-not-enterable</c>, <c>recovery-out-of-reach</c>, <c>wal-missing</c>.
    /// </exception>
    /// <param name="servers">Who is to run it and apart from what; in place where null.</param>
    public async Task<RestorePlan> PlanAsync(
        BackupRepository repository, Manifest manifest, PgDataTarget target, CancellationToken cancellationToken, ServerPlace? servers = null)
    {
        RequirePhysical(manifest);
        var facts = await ClusterFacts.ReadAsync(repository, manifest, cancellationToken);
        var binaries = PostgresBinaries.Find(facts.ServerMajor);
        RequireNew(target);
        await RequireEnterableAsync(target, servers ?? ServerPlace.InPlace(), cancellationToken);
        var notes = new List<string>
        {
            $"base: restore point {manifest.Id.Short} of {manifest.Source}, PostgreSQL {facts.ServerVersion}, timeline {facts.Timeline}, WAL from {facts.StartLsn} to {facts.WalEndLsn}",
        };
        if (target.IsPointInTime)
        {
            notes.AddRange((await FindPathAsync(repository, manifest, facts, target, cancellationToken)).Notes);
        }

        notes.Add($"recovered to {target.MomentText} by PostgreSQL {binaries.Version}");
        notes.Add(target.Port is { } port ? $"the server is left running on 127.0.0.1:{port}" : "the server is left stopped");
        notes.Add("archiving, replication, preloaded libraries and TLS are off in the copy (postgresql.auto.conf)");
        return LogicalRestore.Plan(manifest, target, Kind, notes);
    }

    /// <summary>Executes a plan.</summary>
    /// <exception cref="EngineException">As <see cref="PlanAsync"/>; <c>recovery-target-not-reached</c>; <c>cluster-damaged</c> where pg_amcheck finds damage; <c>plan-changed</c>.</exception>
    public async Task<PhysicalRestoreResult> ExecuteAsync(
        BackupRepository repository, Manifest manifest, RestorePlan plan, string approvedHash, string operation,
        IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken, ServerPlace? servers = null)
    {
        servers ??= ServerPlace.InPlace();
        LogicalRestore.RequireSame(plan, approvedHash, manifest);
        var target = TargetOf(plan);
        await DropOwnTablespacesAsync(target, operation, cancellationToken);
        RequireNew(target);
        var facts = await ClusterFacts.ReadAsync(repository, manifest, cancellationToken);
        var work = new RecoveryWork(repository, manifest, facts, target, FolderOf(target, operation), NameOf(operation), registry, time, servers: servers);
        var result = await work.RunAsync(progress, log, cancellationToken);
        await PublishAsync(work, target, facts, plan, operation, result, servers.User, log, cancellationToken);
        return result;
    }

    /// <summary>True where an earlier attempt of the operation had published the directory.</summary>
    public static bool IsFinished(RestorePlan plan, string operation) => IsMarked(TargetOf(plan).Path, operation);

    /// <summary>True where a directory holds what that operation published.</summary>
    internal static bool IsMarked(string directory, string operation)
    {
        var marker = Path.Combine(directory, Marker);
        return File.Exists(marker) && File.ReadAllText(marker).Contains(JsonEncodedText.Encode(operation).ToString(), StringComparison.Ordinal);
    }

    /// <summary>An attempt that died between its two renames had given the tablespaces their name, and nothing leads to them yet.</summary>
    private async Task DropOwnTablespacesAsync(PgDataTarget target, string operation, CancellationToken cancellationToken)
    {
        if (IsMarked(TablespacesOf(target), operation) && !IsMarked(target.Path, operation))
        {
            await LocalFolder.RemoveAsync(TablespacesOf(target), time, cancellationToken);
        }
    }

    /// <summary>Finishes what an attempt that died after publishing left: the server is started where it is to run.</summary>
    public Task FinishAsync(RestorePlan plan, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var target = TargetOf(plan);
        return StartForGoodAsync(target, PostgresBinaries.Find(MajorOf(target.Path)), log, cancellationToken);
    }

    /// <summary>Removes what an interrupted attempt left that will not be resumed.</summary>
    /// <returns>What was found, for the run's log; null where there was nothing.</returns>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) =>
        AbandonAsync(TargetOf(plan), operation, cancellationToken);

    /// <summary>The same by the target alone.</summary>
    internal async Task<string?> AbandonAsync(PgDataTarget target, string operation, CancellationToken cancellationToken)
    {
        if (IsMarked(target.Path, operation))
        {
            return $"the interrupted attempt had finished: {target.Path} is there, and is kept";
        }

        await DropOwnTablespacesAsync(target, operation, cancellationToken);
        var folder = FolderOf(target, operation);
        if (!Directory.Exists(folder))
        {
            return null;
        }

        await RecoveryWork.RemoveAsync(registry, NameOf(operation), folder, cancellationToken);
        return $"removed {folder}, which an interrupted attempt had left";
    }

    /// <summary>The file by which a published directory says whose it is.</summary>
    /// <param name="result">What was measured, for whoever takes a killed attempt up; null where that is kept elsewhere.</param>
    internal static byte[] MarkerOf(string operation, string restorePoint, PgDataTarget target, string planHash, PhysicalRestoreResult? result = null) =>
        JsonSerializer.SerializeToUtf8Bytes(new PublishedMarker(operation, restorePoint, target.MomentText, planHash, result), JsonSerializerOptions.Web);

    /// <summary>What an attempt of the operation measured that had published the directory; null where it did not, or wrote nothing of it.</summary>
    public static PhysicalRestoreResult? MeasuredBy(string directory, string operation) => IsMarked(directory, operation)
        ? JsonSerializer.Deserialize<PublishedMarker>(File.ReadAllBytes(Path.Combine(directory, Marker)), JsonSerializerOptions.Web)!.Result
        : null;

    private async Task PublishAsync(
        RecoveryWork work, PgDataTarget target, ClusterFacts facts, RestorePlan plan, string operation, PhysicalRestoreResult result, ServerUser owner, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        RecoveredConfiguration.Write(work.Data, facts, $"restore point {plan.RestorePointId}, {target.MomentText}", target.Port, owner);
        var marker = MarkerOf(operation, plan.RestorePointId, target, plan.Hash, result);
        LocalFolder.WritePrivateFile(Path.Combine(work.Data, Marker), marker, owner);
        if (facts.Tablespaces.Count > 0)
        {
            LocalFolder.WritePrivateFile(Path.Combine(work.Tablespaces, Marker), marker, owner);
            Directory.Move(work.Tablespaces, TablespacesOf(target));
            foreach (var space in facts.Tablespaces)
            {
                var name = space.Oid.ToString(CultureInfo.InvariantCulture);
                var link = Path.Combine(work.Data, "pg_tblspc", name);
                File.Delete(link);
                File.CreateSymbolicLink(link, Path.Combine(TablespacesOf(target), name));
                LocalFolder.GiveTo(link, owner);
            }
        }

        if (Directory.Exists(target.Path))
        {
            Directory.Delete(target.Path);
        }

        Directory.Move(work.Data, target.Path);
        LocalFolder.Flush(Path.GetDirectoryName(target.Path)!);
        await RecoveryWork.RemoveAsync(registry, NameOf(operation), work.Folder, CancellationToken.None);
        log?.Invoke("publish", $"{target.Path} is there");
        await StartForGoodAsync(target, PostgresBinaries.Find(facts.ServerMajor), log, cancellationToken);
    }

    private Task StartForGoodAsync(PgDataTarget target, PostgresBinaries binaries, Action<string, string>? log, CancellationToken cancellationToken) =>
        target.Port is { } port ? LastingServer.StartAsync(target.Path, port, [], binaries, registry, log, cancellationToken) : Task.CompletedTask;

    internal static async Task<RecoveryPath> FindPathAsync(
        BackupRepository repository, Manifest manifest, ClusterFacts facts, PgDataTarget target, CancellationToken cancellationToken)
    {
        var archive = await repository.OpenWalAsync(manifest.Source, ulong.Parse(facts.SystemIdentifier, CultureInfo.InvariantCulture), cancellationToken);
        return RecoveryPath.Find(manifest, facts, await archive.CoverageAsync(cancellationToken), target);
    }

    private static PgDataTarget TargetOf(RestorePlan plan) => RestoreTarget.Parse(plan.Target, "/") as PgDataTarget ?? throw new EngineException(
        "restore-target-unsupported", ErrorKind.Unsupported, $"{plan.Target} is no data directory", "make the plan again");

    internal static void RequirePhysical(Manifest manifest)
    {
        if (manifest is not { Kind: LogicalBackup.Kind, Strategy: PhysicalBackup.Strategy })
        {
            throw new EngineException("not-a-physical-backup", ErrorKind.Input,
                $"restore point {manifest.Id.Short} is a {manifest.Strategy ?? "file"} backup of kind {manifest.Kind}, not a PostgreSQL cluster's files",
                "choose a physical restore point, or restore this one into a database (postgres://…)");
        }
    }

    private static void RequireNew(PgDataTarget target)
    {
        foreach (var path in new[] { target.Path, TablespacesOf(target) })
        {
            if (File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any()))
            {
                throw new EngineException("directory-not-empty", ErrorKind.Conflict, $"{path} exists and is not empty", "name a new directory; nothing was changed");
            }
        }

        if (target.Port is { } port && FreePort.IsTaken(port))
        {
            throw new EngineException("port-in-use", ErrorKind.Conflict, $"port {port} is in use on this machine", "choose another one; nothing was changed");
        }
    }

    private async Task RequireEnterableAsync(PgDataTarget target, ServerPlace servers, CancellationToken cancellationToken)
    {
        var parent = Path.GetDirectoryName(target.Path)!;
        if (!Directory.Exists(parent))
        {
            throw new EngineException("directory-missing", ErrorKind.NotFound, $"there is no directory {parent}", "make it, or name another place");
        }

        var user = servers.User;
        var result = await ToolProcess.RunAsync(new ToolCommand("test", ["-x", parent]) { RunAs = user }, registry, cancellationToken);
        if (result.ExitCode != 0)
        {
            throw new EngineException("folder-not-enterable", ErrorKind.Denied, $"user {user.Name}, who runs PostgreSQL, cannot enter {parent}",
                "name a directory below one that everybody may pass through");
        }
    }

    internal static int MajorOf(string data) => int.Parse(File.ReadAllText(Path.Combine(data, "PG_VERSION")).Trim(), CultureInfo.InvariantCulture);

    private static string TablespacesOf(PgDataTarget target) => target.Path + ".tablespaces";

    private static string FolderOf(PgDataTarget target, string operation) => $"{target.Path}.{NameOf(operation)}";

    internal static string NameOf(string operation) => "restoring-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..12];

    private sealed record PublishedMarker(string Operation, string RestorePoint, string Moment, string PlanHash, PhysicalRestoreResult? Result);
}
