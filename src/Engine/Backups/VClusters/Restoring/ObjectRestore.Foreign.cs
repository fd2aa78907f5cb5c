using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What others have put into what a restore made: a way back must not take it with it.</summary>
public sealed partial class ObjectRestore
{
    /// <summary>So many are named.</summary>
    private const int NamedForeign = 5;

    private KubeCatalogue? _listed;

    /// <summary>True for what takes all that is in it with it when it is deleted: a Namespace, or the definition of a kind.</summary>
    private static bool Holds(KubeObjectKey key) =>
        key is { Kind: "Namespace", Group: "" } or { Kind: "CustomResourceDefinition", Group: "apiextensions.k8s.io" };

    /// <summary>Why something that holds others cannot be deleted; null where all that is in it is the restore's, or comes and goes by itself.</summary>
    /// <param name="one">The Namespace or definition.</param>
    /// <param name="plan">What the restore made.</param>
    /// <param name="ours">The identities of what it made.</param>
    /// <param name="cancellationToken">Ends the looking.</param>
    /// <exception cref="EngineException">The server is away.</exception>
    private async Task<string?> WhyKeptAsync(PlannedObject one, ObjectRestorePlan plan, IReadOnlySet<string> ours, CancellationToken cancellationToken)
    {
        _listed ??= await KubeDiscovery.DiscoverAsync(api, cancellationToken, "list", "get", "create", "delete").ConfigureAwait(false);
        var isNamespace = one.Target.Kind == "Namespace";
        var (group, kind) = (one.Document!["spec"]?["group"]?.ToString(), one.Document["spec"]?["names"]?["kind"]?.ToString());
        var kinds = _listed.Resources.Where(resource => isNamespace ? resource.IsNamespaced && ObjectRules.NotCaptured(resource.Name) is null : resource.Group == group && resource.Kind == kind);
        var services = plan.Objects.Where(other => other.Target is { Kind: "Service", Group: "" }).Select(other => (other.Target.Namespace, other.Target.Name)).ToHashSet();
        var foreign = new ConcurrentBag<KubeObjectKey>();
        try
        {
            await Parallel.ForEachAsync(kinds, new ParallelOptions { MaxDegreeOfParallelism = api.Budget.Parallel, CancellationToken = cancellationToken }, async (resource, token) =>
            {
                foreach (var value in await ListAsync(resource, isNamespace ? one.Target.Name : null, token).ConfigureAwait(false))
                {
                    if (!ours.Contains(UidOf(value)) && IsSomebodys(value, services))
                    {
                        foreign.Add(KubeObjectKey.Of(value));
                    }
                }
            }).ConfigureAwait(false);
        }
        catch (EngineException fault) when (!fault.IsTransient)
        {
            return $"what is in it could not be looked at: {fault.Message}";
        }

        return foreign.IsEmpty
            ? null
            : $"it holds what the restore did not make: {string.Join(", ", foreign.Select(key => key.ToString()).Order(StringComparer.Ordinal).Take(NamedForeign))}{(foreign.Count > NamedForeign ? $" and {foreign.Count - NamedForeign} more" : "")}";
    }

    private async Task<IReadOnlyList<JsonObject>> ListAsync(KubeResource resource, string? ns, CancellationToken cancellationToken)
    {
        try
        {
            return await KubeListing.AllAsync(api, resource, null, ns, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException gone) when (gone.Kind == ErrorKind.NotFound)
        {
            // Its definition went a moment ago, and its objects with it.
            return [];
        }
    }

    /// <summary>False for what goes anyway, goes with its owner, or is made anew by controllers wherever there is a namespace.</summary>
    private static bool IsSomebodys(JsonObject value, HashSet<(string Namespace, string Name)> services)
    {
        if (value["metadata"]!["deletionTimestamp"] is not null || ObjectOwners.Of(value).Count > 0)
        {
            return false;
        }

        var key = KubeObjectKey.Of(value);
        return ObjectRules.NeverRestored(ObjectCleaning.Clean(value.DeepClone().AsObject()), wasTerminating: false) is null
            && (key.Kind is not ("Endpoints" or "EndpointSlice") || (!services.Contains((key.Namespace, key.Name)) && ObjectRules.IsOwnEndpoints(value, services)));
    }
}
