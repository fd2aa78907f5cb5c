using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>What a restore yielded.</summary>
/// <param name="Target">As <see cref="RestoreTarget.ToText"/>.</param>
/// <param name="Duration">From the first byte read to the target being ready; null where an earlier attempt had finished.</param>
/// <param name="Bytes">Bytes of the artifacts.</param>
/// <param name="Warnings">What the tools said, and what was left out.</param>
public sealed record RestoreResult(string Target, TimeSpan? Duration, long Bytes, IReadOnlyList<string> Warnings);

/// <summary>Restores a logical backup into a new database.</summary>
/// <param name="registry">Records the programs that are started.</param>
/// <param name="time">The clock.</param>
/// <param name="clients">Installed client programs; looked for at each restore where null.</param>
public sealed class LogicalRestore(ProcessRegistry registry, TimeProvider time, IReadOnlyList<PostgresBinaries>? clients = null)
{
    /// <summary>Looks at both ends, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException">
    /// <c>database-exists</c>, <c>target-not-ready</c> (everything that stands against it at once), <c>server-unreachable</c>,
    /// <c>wrong-password</c>, <c>not-a-logical-backup</c>, or what the repository says.
    /// </exception>
    public async Task<RestorePlan> PlanAsync(
        BackupRepository repository, Manifest manifest, PostgresTarget target, CancellationToken cancellationToken)
    {
        var dump = StoredDump.Of(repository, manifest);
        var facts = await dump.ReadFactsAsync(cancellationToken);
        var notes = await GuardAsync(target, async server =>
        {
            await new StagingDatabase(server, target, "plan").IsFinishedAsync(cancellationToken);
            var there = await TargetServer.ReadAsync(server, cancellationToken);
            var verdict = there.Judge(facts, target);
            verdict.Require(target);
            DumpTools.ForRestore(Clients(), dump.DumpMajor, there.Major);
            return verdict.Notes;
        }, cancellationToken);
        return Plan(manifest, target, LogicalBackup.Kind, notes);
    }

    /// <summary>
    /// Executes a plan. The preconditions are checked again; the database gets its name only when everything is in it, so
    /// that a failure, a cancellation or a crash at any instant leaves nothing under that name.
    /// </summary>
    /// <param name="repository">Where the restore point is.</param>
    /// <param name="manifest">The restore point.</param>
    /// <param name="plan">What was approved.</param>
    /// <param name="approvedHash">The hash that the approval names.</param>
    /// <param name="operation">Names this operation, the same when it is resumed after a crash: the run's name.</param>
    /// <param name="progress">Told bytes.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <param name="cancellationToken">Ends the restore and drops what was made.</param>
    /// <exception cref="EngineException">As <see cref="PlanAsync"/>; <c>plan-changed</c>; <c>pg-restore-failed</c>.</exception>
    public async Task<RestoreResult> ExecuteAsync(
        BackupRepository repository, Manifest manifest, RestorePlan plan, string approvedHash, string operation,
        IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        RequireSame(plan, approvedHash, manifest);
        var target = RestoreTarget.Parse(plan.Target, "/") as PostgresTarget ?? throw new EngineException(
            "restore-target-unsupported", ErrorKind.Unsupported, $"{plan.Target} is no PostgreSQL database", "make the plan again");
        var dump = StoredDump.Of(repository, manifest);
        var facts = await dump.ReadFactsAsync(cancellationToken);
        return await GuardAsync(target, async server =>
        {
            var staging = new StagingDatabase(server, target, operation);
            if (await staging.IsFinishedAsync(cancellationToken))
            {
                log?.Invoke("restore", "an earlier attempt had finished");
                return new RestoreResult(plan.Target, null, manifest.Bytes, []);
            }

            var warnings = new List<string>();
            var began = time.GetTimestamp();
            try
            {
                await FillAsync(dump, facts, target, server, staging, warnings, progress, log, cancellationToken);
                log?.Invoke("publish", $"naming the database {target.Database}");
                await staging.PublishAsync(manifest.Id.Value, target.NoOwner ? null : facts.Owner, cancellationToken);
            }
            catch
            {
                await DropUnfinishedAsync(target, staging, log);
                throw;
            }

            return new RestoreResult(plan.Target, time.GetElapsedTime(began), manifest.Bytes, warnings);
        }, cancellationToken);
    }

    /// <summary>Drops what an interrupted attempt of an operation left that will not be resumed.</summary>
    /// <returns>What was found, for the run's log; null where there was nothing.</returns>
    /// <exception cref="EngineException">The server cannot be reached.</exception>
    public static Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (PostgresTarget)RestoreTarget.Parse(plan.Target, "/");
        return GuardAsync(target, async server =>
        {
            var staging = new StagingDatabase(server, target, operation);
            if (await staging.DropIfThereAsync(cancellationToken))
            {
                return $"dropped {staging.Name}, which an interrupted attempt had left";
            }

            return await staging.IsPublishedAsync(cancellationToken)
                ? $"the interrupted attempt had finished: database {target.Database} is there, and is kept"
                : null;
        }, cancellationToken);
    }

    internal static RestorePlan Plan(Manifest manifest, RestoreTarget target, string kind, IReadOnlyList<string> notes) => new()
    {
        FormatVersion = RestorePlan.CurrentVersion,
        RestorePointId = manifest.Id.Value,
        ManifestHash = HashOf(manifest),
        Source = manifest.Source,
        Kind = kind,
        Target = target.ToText(),
        Artifacts = [.. manifest.Artifacts.Select(artifact => new PlannedArtifact(artifact.Name, artifact.Kind, artifact.Length))],
        Notes = notes,
    };

    internal static void RequireSame(RestorePlan plan, string approvedHash, Manifest manifest)
    {
        plan.RequireHash(approvedHash);
        if (plan.ManifestHash != HashOf(manifest) || plan.RestorePointId != manifest.Id.Value)
        {
            throw new EngineException("plan-changed", ErrorKind.Conflict,
                $"the plan is for another restore point than {manifest.Id.Short}", "make the plan again");
        }
    }

    private IReadOnlyList<PostgresBinaries> Clients() => clients ?? PostgresBinaries.FindClients();

    internal static string HashOf(Manifest manifest) =>
        Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(manifest, RepositoryJson.Default.Manifest)));

    private async Task FillAsync(
        StoredDump dump, ContentFacts facts, PostgresTarget target, NpgsqlConnection server, StagingDatabase staging, List<string> warnings,
        IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var there = await TargetServer.ReadAsync(server, cancellationToken);
        var verdict = there.Judge(facts, target);
        verdict.Require(target);
        warnings.AddRange(verdict.Notes);
        if (verdict.MissingRoles.Count > 0)
        {
            log?.Invoke("roles", $"making {string.Join(", ", verdict.MissingRoles)}");
            var globals = await dump.ReadGlobalsAsync(cancellationToken);
            await ExecuteAllAsync(server, globals.CreateStatements([.. verdict.MissingRoles], forScratch: false), cancellationToken);
        }

        log?.Invoke("create", $"making {staging.Name}");
        await staging.CreateAsync(facts.Locale, cancellationToken);
        var binaries = DumpTools.ForRestore(Clients(), dump.DumpMajor, there.Major);
        using var tools = await SourceTools.OpenAsync(target.Server(staging.Name), binaries, registry, cancellationToken);
        log?.Invoke("restore", $"pg_restore {binaries.Version} into PostgreSQL {there.ServerVersion}");
        await RestoreDumpAsync(
            dump, facts, tools, new RestoreOptions(target.NoOwner, target.NoPrivileges, verdict.NoTablespaces, !there.IsSuperuser), registry, null, null, progress, Warn,
            cancellationToken);
        var roles = there.Roles.Concat(verdict.MissingRoles).ToHashSet(StringComparer.Ordinal);
        await staging.ApplySettingsAsync(facts.Settings, roles, cancellationToken);
        if (!target.NoPrivileges)
        {
            await staging.ApplyGrantsAsync(facts.Grants, roles, cancellationToken);
        }

        log?.Invoke("analyze", "collecting statistics");
        await using var connection = await target.Server(staging.Name).OpenAsync(cancellationToken);
        await ExecuteAllAsync(connection, ["ANALYZE"], cancellationToken);

        void Warn(string text)
        {
            warnings.Add(text);
            log?.Invoke("warning", text);
        }
    }

    /// <summary>Streams the dump into pg_restore; what cannot be restored there (see <see cref="DumpList.Without"/>) is left out by a list.</summary>
    internal static async Task RestoreDumpAsync(
        StoredDump dump, ContentFacts facts, SourceTools tools, RestoreOptions options, ProcessRegistry registry, ServerUser? runAs, string? listFolder,
        IProgress<TransferProgress>? progress, Action<string> warn, CancellationToken cancellationToken)
    {
        if (facts.DanglingForeignKeys.Count == 0 && !options.NoExtensionComments)
        {
            await dump.RestoreAsync(tools.Restore(options, null), progress, warn, cancellationToken);
            return;
        }

        var list = await dump.ListAsync(tools.Binaries, registry, runAs, cancellationToken);
        var file = Path.Combine(listFolder ?? registry.Folder, $"restore-{dump.Manifest.Id}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}.list");
        try
        {
            LocalFolder.WritePrivateFile(file, System.Text.Encoding.UTF8.GetBytes(list.Without(facts.DanglingForeignKeys, options.NoExtensionComments)), runAs);
            await dump.RestoreAsync(tools.Restore(options, file), progress, warn, cancellationToken);
        }
        finally
        {
            File.Delete(file);
        }
    }

    internal static async Task ExecuteAllAsync(NpgsqlConnection connection, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    // On a connection of its own, since the first may be what failed. What cannot be dropped now, the same operation's next
    // attempt drops; the failure that led here must not be hidden by this one.
    private static async Task DropUnfinishedAsync(PostgresTarget target, StagingDatabase staging, Action<string, string>? log)
    {
        log?.Invoke("cleanup", $"dropping the unfinished {staging.Name}");
        try
        {
            await using var server = await OpenServerAsync(target, CancellationToken.None);
            await ExecuteAllAsync(server, [$"DROP DATABASE IF EXISTS {SqlName.Quote(staging.Name)} WITH (FORCE)"], CancellationToken.None);
        }
        catch (Exception exception) when (exception is EngineException || PostgresFault.Recognises(exception))
        {
            log?.Invoke("warning", $"{staging.Name} could not be dropped and is left on {target.Host}:{target.Port}: {exception.Message}");
        }
    }

    private static async Task<T> GuardAsync<T>(PostgresTarget target, Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            await using var server = await OpenServerAsync(target, cancellationToken);
            return await work(server);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, target.Server(target.Database));
        }
    }

    private static async Task<NpgsqlConnection> OpenServerAsync(PostgresTarget target, CancellationToken cancellationToken)
    {
        try
        {
            return await target.Server("postgres").OpenAsync(cancellationToken);
        }
        catch (EngineException exception) when (exception.Code == "database-missing")
        {
            return await target.Server("template1").OpenAsync(cancellationToken);
        }
    }
}
