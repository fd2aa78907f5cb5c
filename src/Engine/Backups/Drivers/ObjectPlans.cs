using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A restore of objects as a person looks at it: every object, and the plan that is confirmed.</summary>
/// <param name="Plan">What is confirmed and run; its hash covers every object.</param>
/// <param name="Objects">Object by object.</param>
public sealed record PlannedObjects(RestorePlan Plan, ObjectRestorePlan Objects);

/// <summary>Plans restores of Kubernetes objects in full: a page shows each object, of which a plan's notes name only the first.</summary>
public sealed class ObjectPlans(RestorePointCatalog points, RestorePointAccess access, VClusterRestoreDriver driver)
{
    /// <summary>Says what a restore would do with every object; nothing is changed.</summary>
    /// <param name="restorePoint">The restore point's id, or the beginning of it.</param>
    /// <param name="target">The target's URL, as on the command line.</param>
    /// <param name="baseFolder">Where relative paths in it start.</param>
    /// <param name="cancellationToken">Ends the planning.</param>
    /// <exception cref="EngineException">The target is none for objects, does not answer or cannot take this point.</exception>
    public async Task<PlannedObjects> PlanAsync(string restorePoint, string target, string baseFolder, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        var (_, repository) = await access.OpenAsync(point, null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            if (RestoreTarget.Parse(target, baseFolder) is not VClusterTarget cluster || !driver.Takes(cluster, manifest))
            {
                throw new EngineException("restore-target-unsupported", ErrorKind.Input, "this is no target for a restore of Kubernetes objects", $"Use {VClusterTarget.Shape}, without store=, and a restore point of a virtual cluster.");
            }

            return await driver.PlanInFullAsync(repository, manifest, cluster, cancellationToken);
        }
    }
}
