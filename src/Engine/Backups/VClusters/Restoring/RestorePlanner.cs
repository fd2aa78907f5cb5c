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
    private readonly BorrowedNamespace _borrowed = new(api);
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
    /// <exception cref="EngineException"><c>api-unreachable</c>, <c>selection-empty</c>, <c>map-unused</c>, <c>map-collides</c>, or what the repository says.</exception>
    public async Task<ObjectRestorePlan> PlanAsync(StoredObjects stored, RestoreSelection selection, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(selection);
        var (scope, notes) = await ReadAsync(stored, selection, cancellationToken).ConfigureAwait(false);
        _isWide = scope.Documents.Select(one => one.Object.Namespace).Distinct().Count() > FewNamespaces;
        var planned = new PlannedObject[scope.Documents.Length];
        await Parallel.ForAsync(0, planned.Length, new ParallelOptions { MaxDegreeOfParallelism = api.Budget.Parallel * 2, CancellationToken = cancellationToken }, async (at, token) =>
        {
            var document = scope.Documents[at];
            // What is left alone needs its documents no more, and of a whole cluster that may be nearly all.
            scope.Documents[at] = document with { Document = null };
            var one = await PlanAsync(document, scope, token).ConfigureAwait(false);
            planned[at] = one.IsEffect ? one : one with { Document = null, Live = null, LivePorts = null };
        }).ConfigureAwait(false);
        return new ObjectRestorePlan(api.Address, [.. planned.OrderBy(one => RestoreOrder.RankOf(one.Target)).ThenBy(one => one.Target.ToString(), StringComparer.Ordinal)]) { Notes = notes };
    }

    /// <summary>What is restored, and what is to be said of it. A method of its own: nothing here is held while the plan is made.</summary>
    private async Task<(Scope Scope, IReadOnlyList<string> Notes)> ReadAsync(StoredObjects stored, RestoreSelection selection, CancellationToken cancellationToken)
    {
        var index = await stored.ReadIndexAsync(cancellationToken).ConfigureAwait(false);
        var chosen = (await stored.ReadEachAsync(index.Where(selection.Takes), cancellationToken).ConfigureAwait(false)).Where(one => one.Document is null || selection.TakesLabels(one.Document)).ToList();
        if (chosen.Count == 0)
        {
            throw new EngineException("selection-empty", ErrorKind.Input, "no object of the restore point is selected", "look at its namespaces and kinds, and select some");
        }

        SelectionCheck.RequireMapUsed(selection, chosen.Select(one => one.Object));
        var catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete").ConfigureAwait(false);
        var companions = new RestoreCompanions(stored, index, selection, catalogue, FindLiveAsync);
        var along = await companions.FindAsync(chosen, cancellationToken).ConfigureAwait(false);
        return (Scope.Of(catalogue, selection, [.. chosen, .. along], along), [.. SelectionCheck.Idle(selection, index), .. companions.Notes]);
    }

    /// <summary>
    /// What each object is planned within, whose document is taken out of it for that: kinds that are defined, namespaces of the target and persistent volumes that are restored too,
    /// and what nobody chose.
    /// </summary>
    private sealed record Scope(
        KubeCatalogue Catalogue, RestoreSelection Selection, StoredDocument[] Documents, HashSet<(string Group, string Kind)> Defined, HashSet<string> Namespaces, HashSet<string> Volumes,
        HashSet<KubeObjectKey> Along, HashSet<string> Leaving)
    {
        public static Scope Of(KubeCatalogue catalogue, RestoreSelection selection, StoredDocument[] documents, IReadOnlyList<StoredDocument> along)
        {
            var restored = documents.Where(one => one.Document is { } document && ObjectRules.NeverRestored(document, one.Object.IsTerminating, one.Object.IsFinished) is null).ToList();
            SelectionCheck.RequireOneEach(selection, restored.Select(one => one.Object));
            return new Scope(
                catalogue, selection, documents,
                restored.Where(one => one.Object.Kind == "CustomResourceDefinition").Select(one => DefinedBy(one.Document!)).ToHashSet(),
                restored.Where(one => one.Object.Key is { Kind: "Namespace", Group: "" }).Select(one => selection.TargetOf(one.Object.Key).Name).ToHashSet(StringComparer.Ordinal),
                restored.Where(one => one.Object.Key is { Kind: "PersistentVolume", Group: "" } && !ClaimBinding.WentWithItsClaim(one.Document!)).Select(one => one.Object.Name).ToHashSet(StringComparer.Ordinal),
                along.Select(one => one.Object.Key).ToHashSet(),
                documents.Where(one => one.Object is { Key: { Kind: "Namespace", Group: "" }, IsTerminating: true }).Select(one => one.Object.Name).ToHashSet(StringComparer.Ordinal));
        }
    }

    private static (string Group, string Kind) DefinedBy(JsonObject definition) =>
        (definition["spec"]?["group"]?.GetValue<string>() ?? "", definition["spec"]?["names"]?["kind"]?.GetValue<string>() ?? "");

    private async Task<PlannedObject> PlanAsync(StoredDocument stored, Scope scope, CancellationToken cancellationToken)
    {
        var one = stored.Object;
        var target = scope.Selection.TargetOf(one.Key);
        if (stored.Document is not { } document)
        {
            // Others are restored all the same; who confirms the plan sees what is lost.
            return new PlannedObject(one.Key, target, ObjectAction.Refuse, $"cannot be read from the restore point: {stored.Fault!.Message}", [], one.Digest, null);
        }

        ObjectBodies.Map(document, one, target, scope.Selection);
        if (IsScratch && one.Key is { Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition" } && document["spec"] is JsonObject definition && definition["conversion"] is not null)
        {
            definition["conversion"] = new JsonObject { ["strategy"] = "None" };
        }

        var plan = new PlannedObject(one.Key, target, ObjectAction.Leave, null, [], ObjectRestorePlan.DigestOf(document), null) { Document = document };
        if (ObjectRules.NeverRestored(document, one.IsTerminating, one.IsFinished) is { } reason)
        {
            return plan with { Reason = reason };
        }

        if (IsScratch && scope.Leaving.Contains(one.Namespace))
        {
            // Nothing could be made in it any more, so that whether it could be restored shows nothing.
            return plan with { Reason = "is in a namespace that was being deleted" };
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

        if (resource.ApiVersion != one.ApiVersion)
        {
            document["apiVersion"] = resource.ApiVersion;
            plan = plan with { IsAdjusted = true };
        }

        var live = await FindLiveAsync(resource, target, cancellationToken).ConfigureAwait(false);
        return live is null
            ? await PlanCreateAsync(plan, resource, scope, cancellationToken).ConfigureAwait(false)
            : await PlanExistingAsync(plan, resource, live, scope, cancellationToken).ConfigureAwait(false);
    }

    private async Task<PlannedObject> PlanCreateAsync(PlannedObject plan, KubeResource resource, Scope scope, CancellationToken cancellationToken)
    {
        var (document, isOtherVersion) = (plan.Document!, plan.IsAdjusted);
        var notes = new List<string>();
        if (scope.Along.Contains(plan.Source))
        {
            notes.Add("comes along: what is restored needs it");
        }

        if (!IsScratch && plan.Target is { Kind: "PersistentVolume", Group: "" } && ClaimBinding.WentWithItsClaim(document))
        {
            return plan with { Reason = "its storage was made for its claim and went with it; the claim gets a new one" };
        }

        if (!IsScratch && plan.Target is { Kind: "PersistentVolumeClaim", Group: "" } && await ClaimBinding.WhyNewAsync(document, scope.Volumes, FindLiveAsync, cancellationToken).ConfigureAwait(false) is { } why)
        {
            document["spec"]!.AsObject().Remove("volumeName");
            plan = plan with { Digest = ObjectRestorePlan.DigestOf(document), IsAdjusted = true };
            notes.Add($"gets a new volume: {why}");
        }

        var body = ObjectBodies.ForCreate(document);
        var path = resource.PathOf(plan.Target.Namespace);
        if (resource.IsNamespaced && await FindLiveAsync(new KubeResource("", "v1", "namespaces", "Namespace", false), new KubeObjectKey("", "Namespace", "", plan.Target.Namespace), cancellationToken).ConfigureAwait(false) is null)
        {
            if (!scope.Namespaces.Contains(plan.Target.Namespace))
            {
                return plan with { Action = ObjectAction.Refuse, Reason = $"namespace {plan.Target.Namespace} is not there, and it is not among what is restored" };
            }

            // Its own namespace does not exist yet: the server judges the object as if it went to another one.
            body["metadata"]!["namespace"] = BorrowedNamespace.Name;
            path = resource.PathOf(BorrowedNamespace.Name);
            notes.Add(BorrowedNamespace.Note);
        }

        var answer = await api.CreateAsync(path, body, isDryRun: true, cancellationToken).ConfigureAwait(false);
        if (notes.Contains(BorrowedNamespace.Note) && answer is { IsSuccess: false, Reason: not "AlreadyExists" } && !await _borrowed.HoldsAnywhereAsync(answer, plan.Target, cancellationToken).ConfigureAwait(false))
        {
            return plan with { Action = ObjectAction.Create, Reason = string.Join("; ", [.. notes, $"there the server would refuse it: {Refusal(answer)}"]), ReasonWithoutWords = string.Join("; ", notes) };
        }

        var lost = LostIn(answer, body);
        if (lost is not null && isOtherVersion)
        {
            return plan with { Action = ObjectAction.Conflict, Reason = OtherVersion(resource, lost) };
        }

        notes.AddRange(lost is null ? [] : [Dropped(lost)]);
        return answer switch
        {
            { IsSuccess: true } or { Reason: "AlreadyExists" } => plan with { Action = ObjectAction.Create, Reason = notes.Count == 0 ? null : string.Join("; ", notes) },
            _ => plan with { Action = ObjectAction.Refuse, Reason = Refusal(answer), RefusedWith = answer.Status },
        };
    }

    private async Task<PlannedObject> PlanExistingAsync(PlannedObject plan, KubeResource resource, JsonObject live, Scope scope, CancellationToken cancellationToken)
    {
        var isOtherVersion = plan.IsAdjusted;
        var cleaned = ObjectBodies.AsFound(live, plan.Document!);
        if (!IsScratch && ClaimBinding.TakesOver(plan.Document!, live))
        {
            plan = plan with { Digest = ObjectRestorePlan.DigestOf(plan.Document!), IsAdjusted = true };
        }

        var found = plan with { Live = cleaned, LivePorts = ObjectCleaning.AssignedPorts(live), LiveDigest = ObjectRestorePlan.DigestOf(cleaned) };
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

        var body = ObjectBodies.ForChange(plan.Document!, live);
        var answer = await api.ReplaceAsync(resource.PathOf(plan.Target.Namespace, plan.Target.Name), body, isDryRun: true, cancellationToken).ConfigureAwait(false);
        var lost = LostIn(answer, body);
        return answer switch
        {
            { IsSuccess: true } when lost is not null && isOtherVersion => found with { Action = ObjectAction.Conflict, Reason = OtherVersion(resource, lost) },
            { IsSuccess: true } => found with { Action = ObjectAction.Change, Reason = lost is null ? null : Dropped(lost) },
            { Status: 422 } => found with { Action = ObjectAction.Conflict, Reason = $"cannot be changed to it: {Refusal(answer)}", RefusedWith = answer.Status },
            _ => found with { Action = ObjectAction.Refuse, Reason = Refusal(answer), RefusedWith = answer.Status },
        };
    }

    /// <summary>The first fields that a server would take without a word and not keep; null where it keeps all.</summary>
    private static string? LostIn(KubeAnswer answer, JsonObject sent) =>
        answer is { IsSuccess: true, Body: { } taken } && ObjectDifference.Lost(sent, taken) is { Count: > 0 } lost ? string.Join(", ", lost.Take(5)) : null;

    private static string Dropped(string lost) => $"the server would drop {lost}";

    private static string OtherVersion(KubeResource resource, string lost) => $"the target serves it as {resource.ApiVersion} only, which would drop {lost}";

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
