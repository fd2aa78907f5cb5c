using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a shredding run is asked for.</summary>
/// <param name="Workspace">The workspace.</param>
/// <param name="Confirmed">Its name as the person typed it.</param>
public sealed record ShreddingRequest(string Workspace, string Confirmed);

/// <summary>What a shredding run ends with.</summary>
/// <param name="DeletedKeys">Key objects deleted, by tier.</param>
/// <param name="Proof">What trying to open the repository with its passphrase said afterwards, by tier.</param>
public sealed record ShreddingRunResult(string Workspace, IReadOnlyDictionary<string, int> DeletedKeys, IReadOnlyDictionary<string, string> Proof);

/// <summary>
/// Deletes a workspace's keys in every tier, so that nobody can read anything of it again, proves it by trying, and forgets
/// what the catalog knew of its content. A tier that does not answer fails the run: it must not be taken for done. Asking
/// again goes on where it stopped.
/// </summary>
public sealed class ShreddingRun(TierRepositories tiers, WorkspaceCatalog workspaces) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Shredding;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<ShreddingRequest>();
        if (request.Confirmed != request.Workspace)
        {
            throw new EngineException("not-confirmed", ErrorKind.Input, "the workspace's name was not confirmed", "Type the name; nothing was changed.");
        }

        var holding = await workspaces.HoldingAsync(request.Workspace, withBehind: true, context.Cancellation);
        var deleted = new Dictionary<string, int>();
        foreach (var tier in tiers.Tiers)
        {
            deleted[tier.Name] = await context.StepAsync($"shred in {tier.Name}", async step =>
            {
                if (holding.Contains(tier.Name) && !await tiers.ExistsAsync(tier, request.Workspace, context.Cancellation))
                {
                    // A folder that is not mounted looks empty. It would come back with its keys.
                    throw new EngineException("tier-empty", ErrorKind.Unavailable,
                        $"{tier.Name} held keys of {request.Workspace}, or may have, and shows no repository of it now",
                        $"Look whether its store is mounted, then ask again. Where it never held any, or lost all for good, make one with 'drconsole repository init --store {tier.RepositoryUrl(request.Workspace)}', so that there is one to shred.");
                }

                var count = await tiers.ShredAsync(tier, request.Workspace, context.Cancellation);
                // Where the next tier fails, and the run is asked for again, this one may be empty: there was nothing but keys in it.
                step.OnCommit(transaction => WorkspaceCatalog.ForgetTierAsync(transaction, request.Workspace, tier.Name, CancellationToken.None));
                context.Log("shred", count == 0 ? $"{tier.Name} holds no key of {request.Workspace}" : $"{tier.Name}: {Counted.Of(count, "key object")} deleted");
                return count;
            });
        }

        var proof = await context.StepAsync("prove", async step =>
        {
            var said = new Dictionary<string, string>();
            foreach (var tier in tiers.Tiers)
            {
                said[tier.Name] = await ProveAsync(tier, request.Workspace, context.Cancellation);
                context.Log("prove", $"{tier.Name}: {said[tier.Name]}");
            }

            foreach (var gone in holding.Where(name => tiers.Tiers.All(tier => tier.Name != name)))
            {
                said[gone] = "is configured no longer: nobody looked whether it still has keys";
                context.Warn("prove", $"{gone} {said[gone]}");
            }

            step.OnCommit(async transaction =>
            {
                await WorkspaceCatalog.ForgetAsync(transaction, request.Workspace, context.Run.Id.Value, CancellationToken.None);
                await AuditLog.AppendAsync(transaction, context.Run.RequestedBy, "workspace.shredded", request.Workspace, new { deleted, said }, CancellationToken.None);
            });
            return said;
        });
        return new ShreddingRunResult(request.Workspace, deleted, proof);
    }

    private async Task<string> ProveAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        try
        {
            await using var repository = await tiers.OpenAsync(tier, workspace, cancellationToken);
        }
        catch (EngineException refused) when (refused.Code is "key-slots-damaged" or "repository-missing")
        {
            return refused.Message;
        }

        throw new EngineException("keys-not-shredded", ErrorKind.Conflict, $"the repository of {workspace} in {tier.Name} still opens",
            "Look for who writes keys there, and ask again.");
    }
}
