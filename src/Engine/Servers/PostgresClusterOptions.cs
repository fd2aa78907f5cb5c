namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A local PostgreSQL server: where it lives and how it is started.</summary>
public sealed record PostgresClusterOptions
{
    /// <summary>Its name in the process registry: lower-case letters, digits, <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The data folder (PGDATA). Its parent must be one that <see cref="RunAs"/> can enter.</summary>
    public required string DataFolder { get; init; }

    /// <summary>
    /// The folder of the unix socket; made private to <see cref="RunAs"/>. Short: the whole path of a socket has at most 107
    /// bytes.
    /// </summary>
    public required string SocketFolder { get; init; }

    /// <summary>Where the server's log goes.</summary>
    public required string LogFile { get; init; }

    /// <summary>Password of the superuser: set at initialisation, needed for every start.</summary>
    public required string Password { get; init; }

    /// <summary>Name of the superuser.</summary>
    public string Superuser { get; init; } = "postgres";

    /// <summary>Port of socket and TCP; 0 for one that is free.</summary>
    public int Port { get; init; }

    /// <summary>Address to listen on, or null for the unix socket only.</summary>
    public string? ListenAddress { get; init; } = "127.0.0.1";

    /// <summary>Who runs it; <see cref="ServerUser.ForPostgres"/> where null.</summary>
    public ServerUser? RunAs { get; init; }

    /// <summary>Wanted major version; null for that of the data folder, or for a new one the newest installed.</summary>
    public int? Major { get; init; }

    /// <summary>Server settings. They are given at the start and win over the server's own files.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>False for data that may be lost in a power failure: initdb then does not wait for the disk.</summary>
    public bool IsDurable { get; init; } = true;

    /// <summary>True for a server that is thrown away: it is ended, not adopted, when its console is gone.</summary>
    public bool IsScratch { get; init; }

    /// <summary>How long a start may take, crash recovery included.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a fast shutdown may take before the immediate one.</summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A command before the command that isolates the server.</summary>
    internal IReadOnlyList<string> Isolation { get; init; } = [];

    /// <summary>The folder that is removed with the server, for scratch servers.</summary>
    internal string? ScratchFolder { get; init; }
}

/// <summary>Whether a start takes a running server over from a living process that owns it.</summary>
public enum ClusterClaim
{
    /// <summary>Take it: this process stops it in the end. For the console itself.</summary>
    Own,

    /// <summary>Use it and leave it to a living owner. For a command beside the console.</summary>
    Share,
}

/// <summary>How a cluster came to run.</summary>
public enum ClusterStart
{
    /// <summary>It was started now.</summary>
    Started,

    /// <summary>It was running, left by an earlier process, and has been taken over.</summary>
    Adopted,

    /// <summary>It is running and belongs to another living process, which stops it.</summary>
    Shared,
}
