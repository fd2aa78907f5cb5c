using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>What is restored is what was approved: the content of the restore point is part of the plan's hash.</summary>
internal static class ApprovedContent
{
    /// <summary>The manifest of a plan's restore point, from the tier that it would be restored from.</summary>
    /// <exception cref="EngineException"><c>restore-point-changed</c>, or no tier gives it.</exception>
    public static async Task<Manifest> RequireAsync(RestorePointCatalog points, RestorePointAccess access, RecoveryBasis basis, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(basis.RestorePoint, cancellationToken);
        var (_, repository) = await access.OpenAsync(point, null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            Require(LogicalRestore.HashOf(manifest), basis);
            return manifest;
        }
    }

    /// <exception cref="EngineException"><c>restore-point-changed</c>.</exception>
    public static void Require(string content, RecoveryBasis basis)
    {
        if (content != basis.ManifestHash)
        {
            throw new EngineException("restore-point-changed", ErrorKind.Conflict,
                $"the restore point's content is {content[..12]}, approved was {basis.ManifestHash[..12]}", "make the plan again, and have it approved");
        }
    }
}
