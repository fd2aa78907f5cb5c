using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a replication run is asked for.</summary>
public sealed record ReplicationRequest(string Tier);

/// <summary>What was copied of one workspace.</summary>
/// <param name="Owed">Restore points that the tier should have and had not.</param>
/// <param name="Copied">Those that it holds now.</param>
public sealed record WorkspaceReplication(string Workspace, int Owed, int Copied);

/// <summary>What a replication run ends with.</summary>
public sealed record ReplicationRunResult(string Tier, IReadOnlyList<WorkspaceReplication> Workspaces);

/// <summary>
/// Brings a tier up to what it should hold, one workspace after the other: what it could not take when it was made, and what
/// was made before the tier served the source's class. A copy that was done by an interrupted attempt is found and only
/// written down.
/// </summary>
public sealed class ReplicationRun(TierReplication replication, OwedCopies owed, RestorePointCatalog points, ProtectedEstate estate) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Replication;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var tier = estate.TierNamed(context.Request<ReplicationRequest>().Tier);
        var done = new List<WorkspaceReplication>();
        foreach (var workspace in await points.WorkspacesAsync(context.Cancellation))
        {
            // A step for each workspace that is whole would only hide those that are not.
            if ((await owed.OfWorkspaceAsync(workspace, tier, context.Cancellation)).Count > 0)
            {
                done.Add(await context.StepAsync($"catch up {workspace}", step => CatchUpAsync(context, step, workspace, tier)));
            }
        }

        return new ReplicationRunResult(tier.Name, done);
    }

    private async Task<WorkspaceReplication> CatchUpAsync(RunContext context, StepHandle step, string workspace, StorageTier tier)
    {
        var missing = await owed.OfWorkspaceAsync(workspace, tier, context.Cancellation);
        var copied = 0;
        foreach (var point in missing)
        {
            copied += await replication.CatchUpAsync(context, step, point, tier) ? 1 : 0;
        }

        return new WorkspaceReplication(workspace, missing.Count, copied);
    }
}
