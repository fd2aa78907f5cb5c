namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>What sort of thing a source is; decides the driver that captures and restores it.</summary>
public enum SourceKind
{
    /// <summary>A PostgreSQL database.</summary>
    Postgres,

    /// <summary>A Redis server.</summary>
    Redis,

    /// <summary>A virtual Kubernetes cluster.</summary>
    VCluster,

    /// <summary>A persistent volume or directory.</summary>
    Volume,
}

/// <summary>What this version can do with a kind.</summary>
public static class SourceKinds
{
    extension(SourceKind kind)
    {
        /// <summary>True where a driver captures it; a source of another kind stays listed as unprotected.</summary>
        public bool HasDriver => kind is SourceKind.Postgres;
    }
}

/// <summary>How a PostgreSQL source is captured.</summary>
public enum PostgresMode
{
    /// <summary>A dump per restore point.</summary>
    Logical,

    /// <summary>Base backups and WAL.</summary>
    Physical,

    /// <summary>Both, side by side.</summary>
    Both,
}

/// <summary>A PostgreSQL source's settings.</summary>
/// <param name="Host">Host name or address.</param>
/// <param name="Port">TCP port.</param>
/// <param name="Database">The database to protect.</param>
/// <param name="Username">The role that backs up; needs read access to everything, and BYPASSRLS where policies exist.</param>
/// <param name="PasswordFile">Absolute path of a file whose first line is the password, or null.</param>
/// <param name="Mode">Logical, physical or both.</param>
/// <param name="Tables">Only these tables (<c>schema.table</c>), or empty for the whole database.</param>
public sealed record PostgresSettings(
    string Host, int Port, string Database, string Username, string? PasswordFile, PostgresMode Mode, IReadOnlyList<string> Tables)
{
    /// <summary>
    /// The server's data directory where this process can read it: then a physical backup stores only what changed. Null: the
    /// server sends its files.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>How its WAL is received, where physical backups are made and WAL is wanted.</summary>
    public WalSettings Wal { get; init; } = new(null, null, false, WalSettings.DefaultFlushInterval);

    /// <summary>How often a heartbeat is written into the database while its WAL is received; null where none is.</summary>
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>How a PostgreSQL source's WAL is received.</summary>
/// <param name="IsEnabled">Whether; null: where its class may lose no more than 15 minutes.</param>
/// <param name="Slot">The replication slot's name; null for <c>drconsole_</c> and the source's name.</param>
/// <param name="IsSynchronous">True where the slot's name stands in the server's <c>synchronous_standby_names</c>: every commit then waits for the tiers.</param>
/// <param name="FlushInterval">How long WAL waits at most before it goes to the tiers.</param>
public sealed record WalSettings(bool? IsEnabled, string? Slot, bool IsSynchronous, TimeSpan FlushInterval)
{
    /// <summary>Half of what a commit may take to be safe; the other half is for the tiers.</summary>
    public static readonly TimeSpan DefaultFlushInterval = TimeSpan.FromSeconds(1);

    /// <summary>Sources of classes with a longer RPO than this are served by their backups.</summary>
    public static readonly TimeSpan LongestRpo = TimeSpan.FromMinutes(15);

    private const int LongestSlot = 63;

    /// <summary>The slot's name on the server: lower-case letters, digits and underscores.</summary>
    public string SlotOf(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var name = Slot ?? "drconsole_" + source.Replace('-', '_').Replace('.', '_');
        return name.Length <= LongestSlot ? name : name[..LongestSlot];
    }
}

/// <summary>A Redis source's settings.</summary>
public sealed record RedisSettings(string Host, int Port, string? PasswordFile, bool Tls);

/// <summary>A volume source's settings.</summary>
public sealed record VolumeSettings(string Path);

/// <summary>A virtual cluster source's settings.</summary>
public sealed record VClusterSettings(string Namespace, string Kubeconfig, bool PauseForBackup);

/// <summary>A thing to protect.</summary>
/// <param name="Name">Unique in the estate; lower-case letters, digits, dots and dashes.</param>
/// <param name="Kind">Decides which one of the settings is set.</param>
/// <param name="Class">Name of its protection class.</param>
/// <param name="Workspace">The tenant that it belongs to; each has a repository of its own in every tier.</param>
public sealed record Source(string Name, SourceKind Kind, string Class, string Workspace)
{
    /// <summary>Set for <see cref="SourceKind.Postgres"/>.</summary>
    public PostgresSettings? Postgres { get; init; }

    /// <summary>Set for <see cref="SourceKind.Redis"/>.</summary>
    public RedisSettings? Redis { get; init; }

    /// <summary>Set for <see cref="SourceKind.Volume"/>.</summary>
    public VolumeSettings? Volume { get; init; }

    /// <summary>Set for <see cref="SourceKind.VCluster"/>.</summary>
    public VClusterSettings? VCluster { get; init; }

    /// <summary>How it is recovered in place.</summary>
    public RecoverySettings Recovery { get; init; } = RecoverySettings.None;
}
