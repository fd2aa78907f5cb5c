using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>What went wrong, in the order in which it is decided.</summary>
public enum DisasterKind
{
    /// <summary>A database's stored bytes are not what was written.</summary>
    DatabaseCorruption,

    /// <summary>A database does not do its work.</summary>
    DatabaseOutage,

    /// <summary>More than half of the virtual clusters failed.</summary>
    MassiveVClusterFailure,

    /// <summary>Some virtual clusters failed.</summary>
    PartialVClusterFailure,

    /// <summary>A volume, a tier or the disk below a database.</summary>
    StorageFailure,

    /// <summary>Nothing answers at once: this console is likelier to be cut off than everything to be broken. Never a disaster.</summary>
    NetworkPartition,

    /// <summary>Something refuses this console's account, so that nobody knows from here whether it does its work. Nothing is proposed for it.</summary>
    Unknown,
}

/// <summary>The kinds' names, as the catalog and logs write them.</summary>
public static class DisasterKinds
{
    /// <summary><c>DATABASE_CORRUPTION</c>.</summary>
    public static string ToName(this DisasterKind kind) => kind switch
    {
        DisasterKind.DatabaseCorruption => "DATABASE_CORRUPTION",
        DisasterKind.DatabaseOutage => "DATABASE_OUTAGE",
        DisasterKind.MassiveVClusterFailure => "MASSIVE_VCLUSTER_FAILURE",
        DisasterKind.PartialVClusterFailure => "PARTIAL_VCLUSTER_FAILURE",
        DisasterKind.StorageFailure => "STORAGE_FAILURE",
        DisasterKind.NetworkPartition => "NETWORK_PARTITION",
        DisasterKind.Unknown => "UNKNOWN",
        _ => throw new UnreachableException(kind.ToString()),
    };

    /// <summary>True where something is shown to be broken: a console that is cut off sees only itself, and one whose account is refused sees nothing.</summary>
    public static bool IsDisaster(this DisasterKind kind) => kind is not (DisasterKind.NetworkPartition or DisasterKind.Unknown);

    /// <summary>The kind of that name, or null.</summary>
    public static DisasterKind? Parse(string? name) =>
        Enum.GetValues<DisasterKind>().Where(kind => kind.ToName() == name).Select(kind => (DisasterKind?)kind).FirstOrDefault();
}
