using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>The way back.</summary>
public sealed partial class ObjectRestore
{
    /// <summary>What was deleted is looked for so long: its Pods end, and its controllers do what its finalizers ask for.</summary>
    private static readonly TimeSpan s_goingFor = TimeSpan.FromMinutes(1);

    /// <summary>So long a finalizer's controller has; one that is not here does nothing, and what the restore made would stay for ever.</summary>
    private static readonly TimeSpan s_finalizersFor = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(1);

    /// <summary>
    /// True for the way back from a restore that had come to its end: then people worked with what it made, and what they changed of it,
    /// or wrote into its volumes, is theirs.
    /// </summary>
    public bool SparesWhatWasChanged { get; init; }

    /// <summary>When the first of the created objects that an undo found was made, by the server's clock; null where it found none.</summary>
    public DateTimeOffset? FirstMadeAt { get; private set; }

    /// <summary>
    /// Takes back what the journal says, last first: what was created is deleted if it is still that very object, what was
    /// changed becomes what it was. Returns how many were, and sentences for what could not be taken back.
    /// </summary>
    /// <exception cref="EngineException">The server stays away: what is left is still in the journal.</exception>
    public async Task<(int Taken, IReadOnlyList<string> Left)> UndoAsync(ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        _catalogue = await DiscoverAsync(cancellationToken).ConfigureAwait(false);
        var left = new List<string>();
        var going = new List<GoingObject>();
        var noted = await journal.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (await _server.AskAsync(() => FindUnnotedAsync(plan, noted, cancellationToken), cancellationToken).ConfigureAwait(false) is { } last)
        {
            await journal.NoteAsync(last, cancellationToken).ConfigureAwait(false);
            noted = [.. noted, last];
        }

        var ours = noted.Select(one => one.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var applied in noted.OrderByDescending(one => one.Position))
        {
            var one = plan.Objects[applied.Position];
            var (fault, isGoing) = applied.IsRefused ? default : await _server.AskAsync(
                () => UndoAsync(one, applied, () => WhyKeptAsync(one, plan, ours, cancellationToken), cancellationToken), cancellationToken).ConfigureAwait(false);
            if (fault is not null)
            {
                left.Add($"{one.Target}: {fault}");
            }
            else if (isGoing)
            {
                going.Add(new GoingObject(applied, one));
            }
            else
            {
                await journal.ForgetAsync(applied.Position, cancellationToken).ConfigureAwait(false);
            }
        }

        left.AddRange(await WaitGoneAsync(going, cancellationToken).ConfigureAwait(false));
        return (noted.Count(one => !one.IsRefused) - left.Count, left);
    }

    /// <summary>The effect that took place before the process died and could note it: the first one behind all that are noted, if it is as planned.</summary>
    private async Task<AppliedObject?> FindUnnotedAsync(ObjectRestorePlan plan, IReadOnlyList<AppliedObject> noted, CancellationToken cancellationToken)
    {
        var next = noted.Count == 0 ? 0 : noted.Max(one => one.Position) + 1;
        while (next < plan.Objects.Count && !plan.Objects[next].IsEffect)
        {
            next++;
        }

        if (next == plan.Objects.Count || plan.Objects[next] is not { Document: { } document } one
            || _catalogue.Serving(document["apiVersion"]!.GetValue<string>(), one.Target.Kind) is not { } resource
            || await api.FindAsync(resource.PathOf(one.Target.Namespace, one.Target.Name), cancellationToken).ConfigureAwait(false) is not { } live)
        {
            return null;
        }

        var isOurs = one.Action == ObjectAction.Create
            ? IsOurs(document, live)
            : ObjectRestorePlan.DigestOf(ObjectBodies.AsFound(live, document)) is var digest && digest != one.LiveDigest && (IsAsChanged(one, digest) || IsLastOurs(live));
        return isOurs ? new AppliedObject(next, UidOf(live)) : null;
    }

    /// <summary>
    /// True where the server says that this run made it: that is proof enough, whatever the server or its webhooks have made of it. Where it
    /// does not say who did, being too old for that, it is ours if it is as it was sent.
    /// </summary>
    private bool IsOurs(JsonObject document, JsonObject live) =>
        Manager is { } manager && EntriesOf(live) is { Count: > 0 } entries ? entries.Any(entry => IsOf(entry, manager)) : ObjectBodies.IsAsCreated(document, live);

    /// <summary>True where the server says that this run was the last to write into it, or one of the last within a second.</summary>
    private bool IsLastOurs(JsonObject live) =>
        Manager is { } manager && EntriesOf(live) is { Count: > 0 } entries
        && entries.Where(entry => IsOf(entry, manager)).Select(TimeOf).Max(StringComparer.Ordinal) is { Length: > 0 } ours && entries.TrueForAll(entry => string.CompareOrdinal(TimeOf(entry), ours) <= 0);

    /// <summary>Who wrote which fields, as newer servers note it.</summary>
    private static List<JsonObject> EntriesOf(JsonObject live) => [.. (live["metadata"]!["managedFields"] as JsonArray ?? []).OfType<JsonObject>()];

    private static bool IsOf(JsonObject entry, string manager) => entry["manager"]?.GetValue<string>() == manager;

    /// <summary>All are of one form (RFC 3339, UTC, seconds): their order as text is that of the times.</summary>
    private static string TimeOf(JsonObject entry) => entry["time"]?.GetValue<string>() ?? "";

    /// <summary>One that was deleted and is still there.</summary>
    private sealed record GoingObject(AppliedObject Applied, PlannedObject Planned);

    /// <returns>Why it stays as it is, or whether it was deleted and is not gone yet.</returns>
    private async Task<(string? Fault, bool IsGoing)> UndoAsync(PlannedObject one, AppliedObject applied, Func<Task<string?>> whyKept, CancellationToken cancellationToken)
    {
        if (_catalogue.Serving(one.Document!["apiVersion"]!.GetValue<string>(), one.Target.Kind) is not { } resource)
        {
            // A server that is away says nothing of what it keeps.
            return ProblemOf(one) is { } problem ? ($"its API group does not answer: {problem}", false) : (one.Action == ObjectAction.Create ? null : "its kind is gone", false);
        }

        var path = resource.PathOf(one.Target.Namespace, one.Target.Name);
        string? seen = null;
        for (var attempt = 1; ; attempt++)
        {
            var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false);
            if (live is null)
            {
                return (one.Action == ObjectAction.Create ? null : "it is gone", false);
            }

            if (UidOf(live) != applied.Uid)
            {
                return ("somebody has put another one in its place", false);
            }

            KubeAnswer answer;
            if (one.Action == ObjectAction.Create)
            {
                if (Holds(one.Target) && live["metadata"]!["deletionTimestamp"] is null && await whyKept().ConfigureAwait(false) is { } kept)
                {
                    return (kept, false);
                }

                if (SparesWhatWasChanged && live["metadata"]!["deletionTimestamp"] is null && WhySpared(one, applied, live) is { } spared)
                {
                    return (spared, false);
                }

                FirstMadeAt = FirstMadeAt is { } first && first < ClaimUse.MadeAt(live) ? first : ClaimUse.MadeAt(live);
                answer = await api.DeleteAsync(path, applied.Uid, cancellationToken).ConfigureAwait(false);
                ServerPatience.Require(answer, $"taking back {one.Target}");
                if (answer.IsSuccess || answer.Status == 404)
                {
                    // An object in the answer is one that waits for its finalizers or its containers; a Status says that it is gone.
                    return (null, answer.IsSuccess && answer.Body?["kind"]?.GetValue<string>() != "Status");
                }
            }
            else
            {
                var found = ObjectBodies.AsFound(live, one.Document!);
                var digest = ObjectRestorePlan.DigestOf(found);
                // What it was before is what an attempt left that could not note it.
                if (applied.Digest is { } made && digest != one.LiveDigest && ObjectOwners.SteadyDigestOf(found) != made)
                {
                    return ("somebody has changed it since", false);
                }

                if (seen is not null && seen != digest)
                {
                    return ("somebody changes it at this moment", false);
                }

                seen = digest;
                answer = await api.ReplaceAsync(path, ObjectBodies.ForUndo(one.Document!, one.Live!, one.LivePorts, live), isDryRun: false, cancellationToken).ConfigureAwait(false);
                if (answer.IsSuccess)
                {
                    return (null, false);
                }
            }

            ServerPatience.Require(answer, $"taking back {one.Target}");
            if (answer.Status != 409 || attempt == Attempts)
            {
                return (answer.Message, false);
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static string? WhySpared(PlannedObject one, AppliedObject applied, JsonObject live)
    {
        if (one.Target is { Kind: "PersistentVolumeClaim", Group: "" } && live["spec"]?["volumeName"] is not null && one.Document!["spec"]?["volumeName"] is null)
        {
            return "it has got a volume since, and what is in that would go with it";
        }

        var isAsMade = applied.Digest is { } made ? ObjectOwners.SteadyDigestOf(ObjectBodies.AsFound(live, one.Document!)) == made : ObjectBodies.IsAsCreated(one.Document!, live);
        return isAsMade ? null : "somebody has changed it since";
    }

    /// <summary>
    /// Looks for what was deleted until it is gone. Finalizers that came with the restore go where nobody obeys them, since before it
    /// nobody had to; those of Kubernetes itself have their controllers in every cluster, and protect what still uses the object.
    /// </summary>
    /// <returns>A sentence for each that is still there; the others are forgotten.</returns>
    private async Task<IReadOnlyList<string>> WaitGoneAsync(List<GoingObject> going, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var waited = time.GetElapsedTime(began);
            var still = new List<(GoingObject Object, IReadOnlyList<string> Finalizers)>();
            foreach (var one in going)
            {
                if (await _server.AskAsync(() => FinalizersOfAsync(one, waited > s_finalizersFor, cancellationToken), cancellationToken).ConfigureAwait(false) is { } finalizers)
                {
                    still.Add((one, finalizers));
                }
                else
                {
                    await journal.ForgetAsync(one.Applied.Position, cancellationToken).ConfigureAwait(false);
                }
            }

            if (still.Count == 0 || waited > s_goingFor)
            {
                return [.. still.Select(one => $"{one.Object.Planned.Target}: it was deleted and is still there{(one.Finalizers.Count > 0 ? $", held by {string.Join(", ", one.Finalizers)}" : "")}")];
            }

            going = still.ConvertAll(one => one.Object);
            await Task.Delay(s_lookEvery, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>What holds the very object that was deleted; null where it is gone.</returns>
    private async Task<IReadOnlyList<string>?> FinalizersOfAsync(GoingObject one, bool dropsOurs, CancellationToken cancellationToken)
    {
        var document = one.Planned.Document!;
        if (_catalogue.Serving(document["apiVersion"]!.GetValue<string>(), one.Planned.Target.Kind) is not { } resource)
        {
            return null;
        }

        var path = resource.PathOf(one.Planned.Target.Namespace, one.Planned.Target.Name);
        var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false);
        if (live is null || UidOf(live) != one.Applied.Uid)
        {
            return null;
        }

        var held = FinalizersOf(live);
        var ours = FinalizersOf(document).Where(name => !IsOfKubernetes(name)).ToHashSet(StringComparer.Ordinal);
        if (!dropsOurs || !held.Any(ours.Contains))
        {
            return held;
        }

        var rest = held.Where(name => !ours.Contains(name)).ToList();
        var answer = await api.PatchAsync(
            path,
            new JsonObject
            {
                // Both, so that it is this very object, as it was read.
                ["metadata"] = new JsonObject
                {
                    ["uid"] = one.Applied.Uid,
                    ["resourceVersion"] = live["metadata"]!["resourceVersion"]!.DeepClone(),
                    ["finalizers"] = new JsonArray([.. rest.Select(name => JsonValue.Create(name))]),
                },
            },
            cancellationToken).ConfigureAwait(false);
        return answer.IsSuccess ? rest : held;
    }

    private static string UidOf(JsonObject live) => live["metadata"]!["uid"]!.GetValue<string>();

    private static List<string> FinalizersOf(JsonObject value) => [.. (value["metadata"]?["finalizers"] as JsonArray ?? []).Select(name => name!.GetValue<string>())];

    private static bool IsOfKubernetes(string finalizer) =>
        finalizer.Split('/') is [var domain, _] ? domain == "kubernetes.io" || domain.EndsWith(".kubernetes.io", StringComparison.Ordinal) : finalizer is "foregroundDeletion" or "orphan";
}
