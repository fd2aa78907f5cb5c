namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The arguments of PostgreSQL's own dump and restore programs. None of them is a secret.</summary>
internal static class DumpArguments
{
    /// <summary>
    /// A whole database, uncompressed, so that equal data gives equal chunks from one dump to the next; compression comes
    /// after chunking. The wait for locks is bounded: this run's own transaction holds ACCESS SHARE too, and a third
    /// session that waits between the two would otherwise hold up both for ever.
    /// </summary>
    public static IReadOnlyList<string> Dump(PostgresSource source, string snapshot, DumpSelection selection) =>
    [
        .. Connection(source), "--format=custom", "--compress=0", $"--snapshot={snapshot}", "--lock-wait-timeout=20s",
        .. selection.WithoutUnlogged ? ["--no-unlogged-table-data"] : Array.Empty<string>(),
        // The old spelling: every release knows it.
        .. selection.WithoutLargeObjects ? ["--no-blobs"] : Array.Empty<string>(),
        .. selection.WithoutRowsOf.Select(table => $"--exclude-table-data={SqlName.Quote(table.Schema, table.Name)}"),
        $"--dbname={Database(source)}",
    ];

    /// <summary>Roles and tablespaces. Only a superuser or a member of pg_read_all_data can read passwords.</summary>
    public static IReadOnlyList<string> Globals(PostgresSource source, bool withPasswords) =>
    [
        .. Connection(source), "--globals-only",
        .. withPasswords ? [] : new[] { "--no-role-passwords" },
        $"--database={source.Database}",
    ];

    /// <summary>
    /// A cluster's files as tar, without WAL (that is read by a slot of our own) and uncompressed. Page checksums are left to
    /// us: pg_basebackup ends in failure at the first wrong one, and a damaged source needs a backup more than a sound one.
    /// </summary>
    public static IReadOnlyList<string> BaseBackup(PostgresSource source, string target, string label) =>
    [
        .. Connection(source), $"--pgdata={target}", "--format=tar", "--wal-method=none", "--checkpoint=fast", $"--label={label}",
        "--manifest-checksums=CRC32C", "--no-verify-checksums", "--no-sync",
    ];

    /// <summary>Every table and index of every database, and that indexes have what tables have.</summary>
    public static IReadOnlyList<string> Amcheck(PostgresSource source, int jobs) =>
    [
        .. Connection(source), "--all", "--install-missing", "--heapallindexed", $"--jobs={jobs}",
    ];

    /// <summary>
    /// A restore from standard input (or a file) that ends at the first error: without <c>--exit-on-error</c> pg_restore
    /// says success while objects are missing. Subscriptions stay out: dropping a restored copy of one would drop the
    /// replication slot of the production server.
    /// </summary>
    public static IReadOnlyList<string> Restore(PostgresSource target, RestoreOptions options, string? listFile) =>
    [
        .. Connection(target), "--exit-on-error", "--no-subscriptions",
        .. options.NoOwner ? ["--no-owner"] : Array.Empty<string>(),
        .. options.NoPrivileges ? ["--no-privileges"] : Array.Empty<string>(),
        .. options.NoTablespaces ? ["--no-tablespaces"] : Array.Empty<string>(),
        .. listFile is null ? [] : new[] { $"--use-list={listFile}" },
        $"--dbname={Database(target)}",
    ];

    /// <summary>One command of the replication protocol, its row printed as it is, with a bar between name and content.</summary>
    public static IReadOnlyList<string> TimelineHistory(PostgresSource source, uint timeline) =>
    [
        .. Connection(source), "--no-psqlrc", "--no-align", "--tuples-only", "--field-separator=|", "--set=ON_ERROR_STOP=1", "--dbname=dbname=postgres replication=true",
        $"--command=TIMELINE_HISTORY {timeline.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
    ];

    private static IEnumerable<string> Connection(PostgresSource source) =>
    [
        $"--host={source.Host}", $"--port={source.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
        $"--username={source.Username}", "--no-password",
    ];

    // A database's name that looks like a connection string would be read as one; inside one it is a value.
    private static string Database(PostgresSource source) =>
        $"dbname='{source.Database.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}

/// <summary>What a dump leaves out.</summary>
/// <param name="WithoutUnlogged">Rows of unlogged tables: a standby cannot read them.</param>
/// <param name="WithoutLargeObjects">Large objects: they belong to no table.</param>
/// <param name="WithoutRowsOf">Tables of which only the structure is taken.</param>
internal sealed record DumpSelection(bool WithoutUnlogged, bool WithoutLargeObjects, IReadOnlyList<(string Schema, string Name)> WithoutRowsOf);

/// <summary>What a restore leaves out.</summary>
/// <param name="NoOwner">Everything belongs to the user who restores.</param>
/// <param name="NoPrivileges">Grants stay out.</param>
/// <param name="NoTablespaces">Everything goes to the default tablespace.</param>
/// <param name="NoExtensionComments">Comments on extensions stay out; only a superuser may write them.</param>
internal sealed record RestoreOptions(bool NoOwner = false, bool NoPrivileges = false, bool NoTablespaces = false, bool NoExtensionComments = false);
