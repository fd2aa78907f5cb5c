using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Step five for a logical PostgreSQL backup: the dump is restored into a scratch server that is kept apart, the content
/// facts are computed there and compared with those of the source's snapshot. The scratch server is gone afterwards, also
/// after a failure; after a crash the process registry removes it.
/// </summary>
internal sealed class RestorabilityCheck(ValidationOptions options, ProcessRegistry registry, TimeProvider time, IReadOnlyList<PostgresBinaries> clients)
{
    internal const string RestoredName = "restored";
    private const int ComparisonLimit = 500;

    public async Task<StepOutcome> RunAsync(
        BackupRepository repository, Manifest manifest, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        var dump = StoredDump.Of(repository, manifest);
        var facts = await dump.ReadFactsAsync(cancellationToken);
        var sourceMajor = facts.ServerVersionNumber / 10000;
        var servers = PostgresBinaries.FindAll();
        var chosen = servers.FirstOrDefault(server => server.Major == sourceMajor)
            ?? servers.Where(server => server.Major > sourceMajor).MinBy(server => server.Major);
        if (chosen is null)
        {
            return StepOutcome.CannotProve($"no PostgreSQL {sourceMajor} or newer is installed for a scratch server");
        }

        log?.Invoke("restorability", $"starting a scratch PostgreSQL {chosen.Version}");
        await using var scratch = await ScratchPostgres.StartAsync(Describe(chosen), registry, time, cancellationToken);
        var isolation = $"user {(scratch.Isolation.UserSeparated ? "separated" : "not separated")}, network {(scratch.Isolation.NetworkSeparated ? "separated" : "not separated")}";
        if (!scratch.Isolation.IsComplete)
        {
            return StepOutcome.CannotProve(scratch.Isolation.Reason ?? isolation) with { Isolation = isolation };
        }

        var outcome = await RestoreAsync(scratch, dump, facts, progress, log, cancellationToken);
        return outcome with { Isolation = isolation };
    }

    /// <summary>Restores a dump into a scratch server and hands that over; the database is <see cref="RestoredName"/>.</summary>
    /// <exception cref="EngineException"><c>postgres-missing</c>, <c>scratch-not-apart</c>; what the tools say.</exception>
    public async Task<ScratchPostgres> OpenCopyAsync(
        BackupRepository repository, Manifest manifest, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var dump = StoredDump.Of(repository, manifest);
        var facts = await dump.ReadFactsAsync(cancellationToken);
        var chosen = PostgresBinaries.FindAll().Where(server => server.Major >= facts.ServerVersionNumber / 10000).MinBy(server => server.Major)
            ?? throw new EngineException("postgres-missing", ErrorKind.Unavailable, $"no PostgreSQL {facts.ServerVersionNumber / 10000} or newer is installed for a scratch server", "install it");
        var scratch = await ScratchPostgres.StartAsync(Describe(chosen), registry, time, cancellationToken);
        try
        {
            if (!scratch.Isolation.IsComplete)
            {
                throw new EngineException("scratch-not-apart", ErrorKind.Unsupported, scratch.Isolation.Reason ?? "the scratch server cannot be kept apart", "run the console as root, or on a machine that can");
            }

            await using var server = await OpenAsync(scratch, "postgres", cancellationToken);
            var there = await TargetServer.ReadAsync(server, cancellationToken);
            await FillAsync(scratch, dump, facts, server, there, Source(scratch), progress, log, cancellationToken);
            return scratch;
        }
        catch
        {
            await scratch.DisposeAsync();
            throw;
        }
    }

    private async Task<StepOutcome> RestoreAsync(
        ScratchPostgres scratch, StoredDump dump, ContentFacts facts, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        var source = Source(scratch);
        try
        {
            await using var server = await OpenAsync(scratch, "postgres", cancellationToken);
            var there = await TargetServer.ReadAsync(server, cancellationToken);
            var missing = facts.Extensions.Where(extension => !there.Extensions.Contains(extension.Name)).Select(extension => extension.Name).ToList();
            if (missing.Count > 0)
            {
                return StepOutcome.CannotProve($"extension {string.Join(", ", missing)} is not installed on this machine");
            }

            var began = time.GetTimestamp();
            await FillAsync(scratch, dump, facts, server, there, source, progress, log, cancellationToken);
            var seconds = time.GetElapsedTime(began).TotalSeconds;
            log?.Invoke("restorability", $"restored in {seconds:0.0} s; comparing content");
            return await CompareAsync(scratch, facts, cancellationToken) with { RestoreSeconds = seconds };
        }
        catch (EngineException fault) when (fault.Code == "locale-missing")
        {
            return StepOutcome.CannotProve(fault.Message);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw PostgresFault.From(exception, source);
        }
    }

    private async Task FillAsync(
        ScratchPostgres scratch, StoredDump dump, ContentFacts facts, NpgsqlConnection server, TargetServer there, PostgresSource source,
        IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var globals = await dump.ReadGlobalsAsync(cancellationToken);

        // All of them: a scratch server's roles cost nothing, and none of them can sign in.
        var roles = facts.Roles.Union(globals.Roles.Keys, StringComparer.Ordinal).Where(role => !there.Roles.Contains(role)).ToList();
        await LogicalRestore.ExecuteAllAsync(server, globals.CreateStatements(roles, forScratch: true), cancellationToken);
        var staging = new StagingDatabase(server, new PostgresTarget(scratch.Host, scratch.Port, RestoredName, ScratchPostgres.SuperuserName, null), "validation");
        await staging.CreateAsync(facts.Locale, cancellationToken);

        var user = await ScratchUser.EnsureAsync(registry, cancellationToken);
        var passwords = Path.Combine(scratch.Folder, "pgpass");
        LocalFolder.WritePrivateFile(passwords, System.Text.Encoding.UTF8.GetBytes($"*:*:*:*:{scratch.ConnectionString().Password}\n"), user);
        var binaries = DumpTools.ForRestore(clients, dump.DumpMajor, scratch.Binaries.Major);
        using var tools = SourceTools.ForUser(source with { Database = staging.Name }, binaries, registry, passwords, user);
        await LogicalRestore.RestoreDumpAsync(
            dump, facts, tools, new RestoreOptions(NoTablespaces: true), registry, user, scratch.Folder, progress,
            text => log?.Invoke("warning", text), cancellationToken);
        await staging.PublishAsync(dump.Manifest.Id.Value, null, cancellationToken);
        await using var restored = await OpenAsync(scratch, RestoredName, cancellationToken);
        await LogicalRestore.ExecuteAllAsync(restored, ["ANALYZE"], cancellationToken);
    }

    private static async Task<StepOutcome> CompareAsync(ScratchPostgres scratch, ContentFacts facts, CancellationToken cancellationToken)
    {
        await using var restored = await OpenAsync(scratch, RestoredName, cancellationToken);
        var only = facts.AllTables ? null : facts.Tables.Select(table => table.FullName).ToHashSet(StringComparer.Ordinal);
        var found = await ContentFactsReader.ReadDatabaseAsync(restored, only, null, cancellationToken);
        var comparison = FactsComparison.Compare(facts, found);
        var faults = comparison.Faults.ToList();
        var outcome = faults.Count == 0 && comparison.AllEqual
            ? StepOutcome.Passed($"restored; {comparison.EqualCount} of {comparison.Results.Count} compared items are equal, "
                + $"with {facts.Rows} rows in {facts.Tables.Count} tables")
            : StepOutcome.Failed(
                $"the restored content differs: {string.Join("; ", faults.Take(5).Select(fault => fault.ToText()))}"
                + (faults.Count > 5 ? $"; and {faults.Count - 5} more" : ""),
                faults.Select(fault => $"{fault.Kind} {fault.Name}"));
        return outcome with { Comparison = comparison.Bounded(ComparisonLimit), ComparedObjects = comparison.Results.Count };
    }

    private ScratchPostgresOptions Describe(PostgresBinaries chosen) => new()
    {
        Root = options.ScratchRoot,
        Major = chosen.Major,
        ProtectedPaths = options.ProtectedPaths,
        Settings = new Dictionary<string, string>
        {
            ["shared_buffers"] = "128MB",
            ["maintenance_work_mem"] = "256MB",
            ["max_wal_size"] = "4GB",
            ["max_locks_per_transaction"] = "256",
        },
    };

    private static PostgresSource Source(ScratchPostgres scratch) => new()
    {
        Host = scratch.Host,
        Port = scratch.Port,
        Database = RestoredName,
        Username = ScratchPostgres.SuperuserName,
    };

    private static async Task<NpgsqlConnection> OpenAsync(ScratchPostgres scratch, string database, CancellationToken cancellationToken)
    {
        var settings = scratch.ConnectionString(database);
        settings.Pooling = false;
        settings.CommandTimeout = 0;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        return connection;
    }
}
