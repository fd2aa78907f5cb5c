using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Compares a restore point's objects with a running cluster and says what a restore would do with each. It asks the server
/// in dry runs and changes nothing.
/// </summary>
public sealed class RestorePlanner(KubeApi api)
{
    private const string WithoutKind = "the target has no such kind, and its definition is not among what is restored";
    /// <summary>Up to so many namespaces are listed one by one; beyond that, kinds are listed whole.</summary>
    private const int FewNamespaces = 5;

    private readonly ConcurrentDictionary<(KubeResource, string), Lazy<Task<Dictionary<(string, string), JsonObject>>>> _live = new();
    private bool _isWide;

    /// <summary>
    /// True for a cluster that is thrown away: definitions keep no conversion webhook, and API services of other servers stay
    /// out, since both reach out of it.
    /// </summary>
    public bool IsScratch { get; init; }

    /// <summary>Makes the plan.</summary>
    /// <param name="stored">The restore point's objects.</param>
    /// <param name="selection">Which of them, and where to.</param>
    /// <param name="cancellationToken">Ends the planning.</param>
    /// <exception cref="EngineException"><c>api-unreachable</c>, <c>selection-empty</c>, or what the repository says.</exception>
    public async Task<ObjectRestorePlan> PlanAsync(StoredObjects stored, RestoreSelection selection, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(selection);
        var index = await stored.ReadIndexAsync(cancellationToken).ConfigureAwait(false);
        var taken = index.Where(selection.Takes).ToList();
        if (taken.Count == 0)
        {
            throw new EngineException("selection-empty", ErrorKind.Input, "no object of the restore point is selected", "look at its namespaces and kinds, and select some");
        }

        var catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete").ConfigureAwait(false);
        var documents = await stored.ReadAsync(WithDefinitions(index, taken, catalogue), cancellationToken).ConfigureAwait(false);
        var defined = documents.Where(one => one.Object.Kind == "CustomResourceDefinition").Select(one => DefinedBy(one.Document)).ToHashSet();
        var created = documents.Where(one => one.Object.Key is { Kind: "Namespace", Group: "" }).Select(one => selection.TargetOf(one.Object.Key).Name).ToHashSet(StringComparer.Ordinal);
        _isWide = documents.Select(one => one.Object.Namespace).Distinct().Count() > FewNamespaces;
        var scope = new Scope(catalogue, selection, defined, created);
        var planned = new PlannedObject[documents.Count];
        await Parallel.ForAsync(0, documents.Count, new ParallelOptions { MaxDegreeOfParallelism = api.Budget.Parallel * 2, CancellationToken = cancellationToken }, async (at, token) =>
            planned[at] = await PlanAsync(documents[at].Object, documents[at].Document, scope, token).ConfigureAwait(false)).ConfigureAwait(false);
        return new ObjectRestorePlan(api.Address, [.. planned.OrderBy(one => RestoreOrder.RankOf(one.Target)).ThenBy(one => one.Target.ToString(), StringComparer.Ordinal)]);
    }

    private sealed record Scope(KubeCatalogue Catalogue, RestoreSelection Selection, HashSet<(string Group, string Kind)> Defined, HashSet<string> CreatedNamespaces);

    /// <summary>A custom resource without its definition is nothing: the restore point's comes along where the target has none.</summary>
    private static IEnumerable<CapturedObject> WithDefinitions(IReadOnlyList<CapturedObject> index, List<CapturedObject> taken, KubeCatalogue catalogue)
    {
        var missing = taken.Where(one => catalogue.Serving(one.ApiVersion, one.Kind) is null).Select(one => one.Key.Group).ToHashSet(StringComparer.Ordinal);
        return taken.Concat(index.Where(one => one.Kind == "CustomResourceDefinition" && missing.Contains(one.Name[(one.Name.IndexOf('.', StringComparison.Ordinal) + 1)..]))).Distinct();
    }

    private static (string Group, string Kind) DefinedBy(JsonObject definition) =>
        (definition["spec"]?["group"]?.GetValue<string>() ?? "", definition["spec"]?["names"]?["kind"]?.GetValue<string>() ?? "");

    private async Task<PlannedObject> PlanAsync(CapturedObject one, JsonObject document, Scope scope, CancellationToken cancellationToken)
    {
        var target = scope.Selection.TargetOf(one.Key);
        ObjectBodies.Map(document, target, scope.Selection);
        if (IsScratch && document["spec"]?["conversion"] is not null)
        {
            document["spec"]!["conversion"] = new JsonObject { ["strategy"] = "None" };
        }

        var plan = new PlannedObject(one.Key, target, ObjectAction.Leave, null, [], ObjectRestorePlan.DigestOf(document), null) { Document = document };
        if (ObjectRules.NeverRestored(document, one.IsTerminating) is { } reason)
        {
            return plan with { Reason = reason };
        }

        if (IsScratch && one.Key is { Kind: "APIService" } && document["spec"]?["service"] is not null)
        {
            return plan with { Reason = "is an API service of another server, which a scratch cluster does not reach" };
        }

        if (scope.Catalogue.Serving(one.ApiVersion, one.Kind) is not { } resource)
        {
            return scope.Defined.Contains((one.Key.Group, one.Kind))
                ? plan with { Action = ObjectAction.Create, Reason = "checked by the server once its definition is there" }
                : plan with { Action = ObjectAction.Refuse, Reason = WithoutKind };
        }

        document["apiVersion"] = resource.ApiVersion;
        var live = await FindLiveAsync(resource, target, cancellationToken).ConfigureAwait(false);
        return live is null
            ? await PlanCreateAsync(plan, resource, document, scope, cancellationToken).ConfigureAwait(false)
            : await PlanExistingAsync(plan, resource, live, scope, cancellationToken).ConfigureAwait(false);
    }

    private async Task<PlannedObject> PlanCreateAsync(PlannedObject plan, KubeResource resource, JsonObject document, Scope scope, CancellationToken cancellationToken)
    {
        var body = ObjectBodies.ForCreate(document);
        var path = resource.PathOf(plan.Target.Namespace);
        string? note = null;
        if (resource.IsNamespaced && await FindLiveAsync(new KubeResource("", "v1", "namespaces", "Namespace", false), new KubeObjectKey("", "Namespace", "", plan.Target.Namespace), cancellationToken).ConfigureAwait(false) is null)
        {
            if (!scope.CreatedNamespaces.Contains(plan.Target.Namespace))
            {
                return plan with { Action = ObjectAction.Refuse, Reason = $"namespace {plan.Target.Namespace} is not there, and it is not among what is restored" };
            }

            // Its own namespace does not exist yet: the server judges the object as if it went to another one.
            body["metadata"]!["namespace"] = "default";
            path = resource.PathOf("default");
            note = "checked by the server as if in namespace default, since its own is created first";
        }

        var answer = await api.CreateAsync(path, body, isDryRun: true, cancellationToken).ConfigureAwait(false);
        return answer switch
        {
            { IsSuccess: true } or { Reason: "AlreadyExists" } => plan with { Action = ObjectAction.Create, Reason = note },
            _ => plan with { Action = ObjectAction.Refuse, Reason = Refusal(answer) },
        };
    }

    private async Task<PlannedObject> PlanExistingAsync(PlannedObject plan, KubeResource resource, JsonObject live, Scope scope, CancellationToken cancellationToken)
    {
        var cleaned = ObjectCleaning.Clean(live.DeepClone().AsObject());
        var found = plan with { Live = cleaned, LiveDigest = ObjectRestorePlan.DigestOf(cleaned) };
        if (live["metadata"]?["deletionTimestamp"] is not null)
        {
            return found with { Action = ObjectAction.Conflict, Reason = "the one that is there is being deleted; restore again when it is gone" };
        }

        var differences = ObjectDifference.Between(cleaned, plan.Document!);
        if (differences.Count == 0)
        {
            return found with { Reason = "is there and equal" };
        }

        found = found with { Differences = differences };
        if (!scope.Selection.ChangesExisting)
        {
            return found with { Reason = "is there and differs; existing objects are left alone" };
        }

        var answer = await api.ReplaceAsync(resource.PathOf(plan.Target.Namespace, plan.Target.Name), ObjectBodies.ForChange(plan.Document!, live), isDryRun: true, cancellationToken).ConfigureAwait(false);
        return answer switch
        {
            { IsSuccess: true } => found with { Action = ObjectAction.Change },
            { Status: 422 } => found with { Action = ObjectAction.Conflict, Reason = $"cannot be changed to it: {Refusal(answer)}" },
            _ => found with { Action = ObjectAction.Refuse, Reason = Refusal(answer) },
        };
    }

    private static string Refusal(KubeAnswer answer) => answer.Message.Replace('\n', ' ');

    /// <summary>One list per kind, or per kind and namespace, instead of one request per object.</summary>
    private async Task<JsonObject?> FindLiveAsync(KubeResource resource, KubeObjectKey key, CancellationToken cancellationToken)
    {
        // Lazy: those who ask at the same time must not each list the kind.
        var all = await _live.GetOrAdd(
            (resource, _isWide ? "" : key.Namespace), place => new Lazy<Task<Dictionary<(string, string), JsonObject>>>(() => ListAsync(place.Item1, place.Item2))).Value.ConfigureAwait(false);
        return all.GetValueOrDefault((key.Namespace, key.Name));

        async Task<Dictionary<(string, string), JsonObject>> ListAsync(KubeResource kind, string ns)
        {
            var found = await KubeListing.AllAsync(api, kind, null, ns.Length > 0 ? ns : null, cancellationToken).ConfigureAwait(false);
            return found.ToDictionary(value => (value["metadata"]!["namespace"]?.GetValue<string>() ?? "", value["metadata"]!["name"]!.GetValue<string>()));
        }
    }
}

/// <summary>What is sent to a server for an object.</summary>
internal static class ObjectBodies
{
    /// <summary>Gives a document its name and namespace in the target.</summary>
    internal static void Map(JsonObject document, KubeObjectKey target, RestoreSelection selection)
    {
        document["metadata"]!["name"] = target.Name;
        if (target.Namespace.Length > 0)
        {
            document["metadata"]!["namespace"] = target.Namespace;
        }

        // Rights name the namespaces of those who have them.
        foreach (var subject in (document["subjects"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (subject["namespace"]?.GetValue<string>() is { } ns && selection.NamespaceMap.TryGetValue(ns, out var mapped))
            {
                subject["namespace"] = mapped;
            }
        }
    }

    /// <summary>Without owners: one with another cluster's identity is accepted and collected as garbage at once. They follow as a patch.</summary>
    internal static JsonObject ForCreate(JsonObject document)
    {
        var body = document.DeepClone().AsObject();
        (body["metadata"] as JsonObject)?.Remove("ownerReferences");
        return body;
    }

    /// <summary>The stored content over the one that is there, with what only the server assigns, and owners as they are.</summary>
    internal static JsonObject ForChange(JsonObject document, JsonObject live)
    {
        var body = ForCreate(document);
        var metadata = body["metadata"]!.AsObject();
        metadata["resourceVersion"] = live["metadata"]!["resourceVersion"]!.DeepClone();
        if (live["metadata"]!["ownerReferences"] is { } owners)
        {
            metadata["ownerReferences"] = owners.DeepClone();
        }

        if (body["spec"] is JsonObject spec && live["spec"] is JsonObject there)
        {
            foreach (var key in (string[])["clusterIP", "clusterIPs", "volumeName", "nodeName"])
            {
                if (!spec.ContainsKey(key) && there[key] is { } assigned)
                {
                    spec[key] = assigned.DeepClone();
                }
            }
        }

        return body;
    }
}
