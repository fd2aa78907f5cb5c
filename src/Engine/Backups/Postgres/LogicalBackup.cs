using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// Captures one PostgreSQL database: roles, the dump and the content facts, all of one snapshot, streamed into a repository
/// session. The restore point is committed only when every program ended with success.
/// </summary>
/// <param name="registry">Records the programs that are started.</param>
/// <param name="time">The clock.</param>
/// <param name="clients">Installed client programs; looked for at each capture where null.</param>
public sealed class LogicalBackup(ProcessRegistry registry, TimeProvider time, IReadOnlyList<PostgresBinaries>? clients = null)
{
    /// <summary>The kind of a source and of the manifest.</summary>
    public const string Kind = "postgres";

    /// <summary>The strategy in the manifest and the type in the result.</summary>
    public const string Strategy = "logical";

    /// <summary>The artifact that holds the dump.</summary>
    public const string DumpArtifactName = "database.dump";

    /// <summary>Property of the manifest: the major version of the pg_dump that wrote the dump.</summary>
    public const string DumpMajorProperty = "pgDumpMajor";

    /// <summary>Property of the manifest: <c>true</c> where roles were dumped with their passwords.</summary>
    public const string PasswordsProperty = "rolePasswordsIncluded";

    /// <summary>Property of the manifest: how it was taken, <c>logical</c> or <c>physical</c>.</summary>
    public const string StrategyProperty = "strategy";

    /// <summary>Property of the manifest: the instant of the content, ISO 8601.</summary>
    public const string SnapshotProperty = "snapshotAt";

    /// <summary>Checks without capturing: server, password, version, tables, privileges to lock them, and pg_dump. Returns warnings.</summary>
    /// <exception cref="EngineException">As <see cref="CaptureAsync"/>.</exception>
    public async Task<IReadOnlyList<string>> CheckAsync(PostgresSource source, CancellationToken cancellationToken)
    {
        await using var snapshot = await DumpSnapshot.OpenAsync(source, cancellationToken);
        return DumpTools.ForDump(Clients(), snapshot.ServerMajor).Warning is { } warning ? [warning] : [];
    }

    /// <summary>Captures the database into a restore point.</summary>
    /// <param name="request">What to capture.</param>
    /// <param name="repository">Where it goes.</param>
    /// <param name="progress">Told bytes and tables at least once a second.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <param name="cancellationToken">Ends the capture; then there is no restore point.</param>
    /// <exception cref="EngineException">
    /// <c>server-unreachable</c>, <c>wrong-password</c>, <c>database-missing</c>, <c>tables-missing</c>, <c>pg-dump-missing</c>,
    /// <c>pg-dump-older-than-server</c>, <c>pg-dump-failed</c>, <c>connection-ended</c>, <c>row-security</c>,
    /// <c>privilege-missing</c>, <c>table-locked</c>, or what the store says. There is no restore point then.
    /// </exception>
    public async Task<PostgresBackupResult> CaptureAsync(
        PostgresBackupRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        log?.Invoke("preflight", $"checking {request.Source.Address}");
        await using var snapshot = await DumpSnapshot.OpenAsync(request.Source, cancellationToken);
        var (binaries, warning) = DumpTools.ForDump(Clients(), snapshot.ServerMajor);
        var warnings = new List<string>();
        Warn(warning);
        log?.Invoke("preflight", $"PostgreSQL {snapshot.ServerVersion}, pg_dump {binaries.Version}, {snapshot.TableCount} tables with rows to take");
        using var tools = await SourceTools.OpenAsync(request.Source, binaries, registry, cancellationToken);
        await using var session = await repository.BeginAsync(request.Description with
        {
            Kind = Kind,
            Strategy = Strategy,
            CreatedAt = request.Description.CreatedAt ?? time.GetUtcNow(),
            ToolVersions = new Dictionary<string, string>(request.Description.ToolVersions)
            {
                ["postgres"] = snapshot.ServerVersion,
                ["pg_dump"] = binaries.Version,
            },
        }, cancellationToken);

        await session.StoreOutputAsync(
            GlobalsScript.ArtifactName, "pg_dumpall globals", tools.Globals(snapshot.CanReadPasswords), null, Warn, cancellationToken);
        if (!snapshot.CanReadPasswords)
        {
            Warn($"user {request.Source.Username} may not read pg_authid: roles are stored without their passwords");
        }

        log?.Invoke("dump", "dumping the snapshot and computing its content facts");
        var relay = new DumpProgress(progress, snapshot);
        var facts = await Together.RunAsync(
            snapshot.ReadFactsAsync,
            token => session.StoreOutputAsync(
                DumpArtifactName, "pg_dump custom", tools.Dump(snapshot.Name, snapshot.Selection), relay, Warn, token),
            cancellationToken);
        facts = await snapshot.CloseFactsAsync(facts, cancellationToken);
        using (var json = new MemoryStream(facts.ToJson(), writable: false))
        {
            await session.WriteStreamAsync(ContentFacts.ArtifactName, "content facts", json, null, cancellationToken);
        }

        log?.Invoke("commit", $"{facts.Tables.Count} tables, {facts.Rows} rows; committing");
        var manifest = await session.CommitAsync(
            facts.Summarise().ToJson(), Properties(request, facts, binaries, snapshot.CanReadPasswords), cancellationToken);
        return PostgresBackupResult.From(manifest, facts, repository.Info, request, snapshot.CanReadPasswords, warnings);

        void Warn(string? text)
        {
            if (text is not null)
            {
                warnings.Add(text);
                log?.Invoke("warning", text);
            }
        }
    }

    /// <summary>Reads the facts that a restore point carries.</summary>
    /// <exception cref="EngineException">They are missing, damaged or of an unknown version.</exception>
    public static async Task<ContentFacts> ReadFactsAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, ContentFacts.ArtifactName, buffer, null, cancellationToken);
        return ContentFacts.Parse(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    private static Dictionary<string, string> Properties(
        PostgresBackupRequest request, ContentFacts facts, PostgresBinaries binaries, bool withPasswords) => new(request.Properties)
    {
        [StrategyProperty] = Strategy,
        [DumpMajorProperty] = binaries.Major.ToString(System.Globalization.CultureInfo.InvariantCulture),
        [PasswordsProperty] = withPasswords ? "true" : "false",
        [SnapshotProperty] = facts.TakenAt.ToString("O", System.Globalization.CultureInfo.InvariantCulture),
    };

    private IReadOnlyList<PostgresBinaries> Clients() => clients ?? PostgresBinaries.FindClients();
}

/// <summary>Adds the tables that are done, and the estimate, to what the session reports.</summary>
internal sealed class DumpProgress(IProgress<TransferProgress>? progress, DumpSnapshot snapshot) : IProgress<TransferProgress>
{
    public void Report(TransferProgress value) => progress?.Report(new TransferProgress(
        "dump", snapshot.TablesRead, snapshot.TableCount, value.BytesDone, Math.Max(value.BytesDone, snapshot.EstimatedBytes), IsEstimate: true));
}
