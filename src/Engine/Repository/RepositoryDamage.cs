using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// Tells the faults of what a tier stores from all others of their kind: a dump that no client reads, or a target's own file that is
/// cut, is the same in every tier, but what these name another tier may have whole.
/// </summary>
public static class RepositoryDamage
{
    private static readonly HashSet<string> s_codes = new(StringComparer.Ordinal)
    {
        "object-cut", StoreFaults.Unreadable, "object-damaged", "object-invalid", "object-missing", BackupRepository.PointMissing, "pack-damaged", "chunk-unreadable", "chunk-list-invalid",
        "page-list-invalid", "stretch-differs", "content-length", "tree-invalid",
    };

    /// <summary>The key of the object that a fault, or what caused it, names; null where it names none.</summary>
    internal static string? ObjectOf(EngineException fault) =>
        fault.Context.GetValueOrDefault("object") ?? (fault.InnerException is EngineException cause ? ObjectOf(cause) : null);

    /// <summary>True where the fault, or what caused it, is of stored bytes.</summary>
    public static bool IsIn(EngineException fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        return s_codes.Contains(fault.Code) || (fault.InnerException is EngineException cause && IsIn(cause));
    }
}
