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
        public bool HasDriver => kind is SourceKind.Postgres or SourceKind.Redis or SourceKind.VCluster or SourceKind.Volume;
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

    /// <summary>The node that has <see cref="DataDirectory"/>, and whose agent makes the physical backups; null for the console's machine.</summary>
    public string? Node { get; init; }

    /// <summary>A standby of the server, which physical backups read instead of it; null where there is none.</summary>
    public PostgresStandby? Standby { get; init; }

    /// <summary>The node whose agent makes the physical backups: the standby's, where files are read there. Null: any process does.</summary>
    public string? ReadingNode => Standby is { DataDirectory: not null } standby ? standby.Node : Node;

    /// <summary>How its WAL is received, where physical backups are made and WAL is wanted.</summary>
    public WalSettings Wal { get; init; } = new(null, null, false, WalSettings.DefaultFlushInterval);

    /// <summary>How often a heartbeat is written into the database while its WAL is received; null where none is.</summary>
    public TimeSpan? Heartbeat { get; init; }
}

/// <summary>A standby that replays what a PostgreSQL source writes.</summary>
/// <param name="Host">Host name or address.</param>
/// <param name="Port">TCP port.</param>
/// <param name="Username">The role that backs up there.</param>
/// <param name="PasswordFile">Absolute path of a file whose first line is the password, or null.</param>
/// <param name="DataDirectory">The standby's data directory where this process can read it, or null.</param>
/// <param name="CatchUp">How long a backup waits until the standby has replayed what the server had written when it began.</param>
public sealed record PostgresStandby(string Host, int Port, string Username, string? PasswordFile, string? DataDirectory, TimeSpan CatchUp)
{
    /// <summary>A healthy standby is a moment behind; one that is further is not worth more waiting.</summary>
    public static readonly TimeSpan DefaultCatchUp = TimeSpan.FromSeconds(30);

    /// <summary>The node that has <see cref="DataDirectory"/>; null for the console's machine.</summary>
    public string? Node { get; init; }
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

    /// <summary>Some hours of a busy server's WAL, which most disks can hold.</summary>
    public const long DefaultSlotLimitMib = 16 * 1024;

    /// <summary>How many MiB of WAL the server may keep for tiers that are away, before it is told what one tier holds.</summary>
    public long SlotLimitMib { get; init; } = DefaultSlotLimitMib;

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
/// <param name="Host">Host name or address.</param>
/// <param name="Port">TCP port.</param>
/// <param name="PasswordFile">Absolute path of a file whose first line is the password, or null.</param>
/// <param name="Tls">True where the port speaks TLS.</param>
public sealed record RedisSettings(string Host, int Port, string? PasswordFile, bool Tls)
{
    /// <summary>The ACL user that backs up; null for <c>default</c>.</summary>
    public string? Username { get; init; }

    /// <summary>A file of PEM certificates, one of which must have signed the server's; null for those that this machine trusts.</summary>
    public string? CaFile { get; init; }

    /// <summary>
    /// The server's data directory (its <c>dir</c>) where this process can write it: a recovery in place exchanges the files in it while
    /// the server is stopped. Null where it cannot be reached.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>The server's <c>dbfilename</c>; null for its default.</summary>
    public string? DumpFile { get; init; }

    /// <summary>The server's <c>appenddirname</c>; null for its default.</summary>
    public string? AppendDirectory { get; init; }

    /// <summary>The server's <c>appendfilename</c>; null for its default.</summary>
    public string? AppendFile { get; init; }
}

/// <summary>A virtual cluster source's settings.</summary>
/// <param name="Namespace">Its namespace on the host cluster.</param>
/// <param name="Kubeconfig">Absolute path of a kubeconfig for the host cluster.</param>
/// <param name="PauseForBackup">True to stop it while what must be copied at rest is copied.</param>
public sealed record VClusterSettings(string Namespace, string Kubeconfig, bool PauseForBackup)
{
    /// <summary>Its name; null where the namespace holds one only.</summary>
    public string? Name { get; init; }

    /// <summary>The address of its API server from here; null for the one in its Secret, or its Service's.</summary>
    public Uri? Server { get; init; }

    /// <summary>How its etcd is reached; null where it is not, or where its store is a file.</summary>
    public EtcdSettings? Etcd { get; init; }

    /// <summary>
    /// The directory of its volume where this process can reach it: <c>etcd</c> in it is replaced by a recovery in place, and
    /// <c>state.db</c> in it is captured where there is no etcd. Null where it cannot be reached.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>The directory below which the volumes of its claims are, where this process can reach them; null where it cannot.</summary>
    public string? VolumesDirectory { get; init; }

    /// <summary>Requests at the same time to its API server.</summary>
    public int ParallelRequests { get; init; } = 4;

    /// <summary>True where its kubeconfig may name a command that is run for a token, as kubectl does; a target that somebody typed may not.</summary>
    public bool RunsCommands { get; init; } = true;

    /// <summary>True where it may lose nearly all of its objects from one backup to the next, which is a failure otherwise.</summary>
    public bool MayBeEmptied { get; init; }
}

/// <summary>How an etcd is reached.</summary>
/// <param name="Endpoint">For example <c>https://127.0.0.1:2379</c>.</param>
/// <param name="CertificateAuthority">PEM file of the authority of its certificate; null for the system's.</param>
/// <param name="Certificate">PEM file of this client's certificate; null where etcd asks for none.</param>
/// <param name="Key">PEM file of its key.</param>
public sealed record EtcdSettings(Uri Endpoint, string? CertificateAuthority, string? Certificate, string? Key);

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

    /// <summary>The node whose agent alone reads its files; null where any process does.</summary>
    public string? Node => Volume?.Node ?? Postgres?.ReadingNode;

    /// <summary>How it is recovered in place.</summary>
    public RecoverySettings Recovery { get; init; } = RecoverySettings.None;
}
