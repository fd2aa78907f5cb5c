using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What became of one step of a restore.</summary>
/// <param name="Position">Its place in the plan.</param>
/// <param name="Uid">The identity that the object has in the target.</param>
public sealed record AppliedObject(int Position, string Uid);

/// <summary>Keeps, durably, what a restore has done, so that it can be gone on with and undone.</summary>
public interface IObjectJournal
{
    /// <summary>What was noted so far.</summary>
    Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Notes that the object of a position is as planned.</summary>
    Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken);

    /// <summary>Notes that the object of a position is again as it was.</summary>
    Task ForgetAsync(int position, CancellationToken cancellationToken);
}

/// <summary>What a restore of objects ended with.</summary>
/// <param name="Created">Objects that were created.</param>
/// <param name="Changed">Objects that were changed.</param>
/// <param name="Failed">Objects that the server did not take after all, each with the reason.</param>
/// <param name="Warnings">Owners that are not there, and the like.</param>
public sealed record ObjectRestoreResult(int Created, int Changed, IReadOnlyList<string> Failed, IReadOnlyList<string> Warnings);

/// <summary>
/// Executes a plan of objects in its order. Each effect is noted in a journal after it took place; done again after a crash it
/// finds by the object itself whether an effect without a note took place. An object that is no longer as the plan saw it stops it.
/// </summary>
public sealed class ObjectRestore(KubeApi api, IObjectJournal journal, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private readonly Dictionary<KubeObjectKey, string> _uids = [];
    private readonly List<string> _failed = [];
    private readonly List<string> _warnings = [];
    private KubeCatalogue _catalogue = null!;

    /// <summary>Executes the plan.</summary>
    /// <param name="plan">As it was approved; its documents are in it.</param>
    /// <param name="approvedHash">What a person approved.</param>
    /// <param name="progress">Told objects.</param>
    /// <param name="cancellationToken">Ends it between two objects; what was done is in the journal.</param>
    /// <exception cref="EngineException"><c>plan-changed</c>; <c>target-drifted</c>: what was done before stays, and can be undone.</exception>
    public async Task<ObjectRestoreResult> ExecuteAsync(ObjectRestorePlan plan, string approvedHash, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        RequireHash(plan, approvedHash);
        var noted = (await journal.ReadAsync(cancellationToken).ConfigureAwait(false)).ToDictionary(one => one.Position, one => one.Uid);
        _catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete").ConfigureAwait(false);
        var total = plan.Objects.Count(one => one.IsEffect);
        int done = 0, created = 0, changed = 0;
        var definitions = false;
        for (var at = 0; at < plan.Objects.Count; at++)
        {
            var one = plan.Objects[at];
            if (!one.IsEffect)
            {
                continue;
            }

            if (definitions && one.Target.Kind != "CustomResourceDefinition")
            {
                await WaitServedAsync(plan, cancellationToken).ConfigureAwait(false);
                definitions = false;
            }

            if (!noted.TryGetValue(at, out var uid))
            {
                uid = await ApplyAsync(one, cancellationToken).ConfigureAwait(false);
                if (uid is not null)
                {
                    await journal.NoteAsync(new AppliedObject(at, uid), cancellationToken).ConfigureAwait(false);
                }
            }

            if (uid is not null)
            {
                _uids[one.Target] = uid;
                created += one.Action == ObjectAction.Create ? 1 : 0;
                changed += one.Action == ObjectAction.Change ? 1 : 0;
            }

            definitions |= one.Target.Kind == "CustomResourceDefinition";
            progress?.Report(new TransferProgress("restore", ++done, total, 0, 0));
        }

        await PatchOwnersAsync(plan, cancellationToken).ConfigureAwait(false);
        return new ObjectRestoreResult(created, changed, _failed, _warnings);
    }

    /// <summary>
    /// Takes back what the journal says, last first: what was created is deleted if it is still that very object, what was
    /// changed becomes what it was. Returns how many were, and sentences for what could not be taken back.
    /// </summary>
    public async Task<(int Taken, IReadOnlyList<string> Left)> UndoAsync(ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        _catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete").ConfigureAwait(false);
        var left = new List<string>();
        var noted = await journal.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (await FindUnnotedAsync(plan, noted, cancellationToken).ConfigureAwait(false) is { } last)
        {
            await journal.NoteAsync(last, cancellationToken).ConfigureAwait(false);
            noted = [.. noted, last];
        }

        foreach (var (position, uid) in noted.OrderByDescending(one => one.Position))
        {
            var one = plan.Objects[position];
            var fault = await UndoAsync(one, uid, cancellationToken).ConfigureAwait(false);
            if (fault is null)
            {
                await journal.ForgetAsync(position, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                left.Add($"{one.Target}: {fault}");
            }
        }

        return (noted.Count - left.Count, left);
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
            ? ObjectBodies.IsAsCreated(document, live)
            : ObjectRestorePlan.DigestOf(ObjectBodies.AsFound(live, document)) is var digest && digest != one.LiveDigest && digest == one.Digest;
        return isOurs ? new AppliedObject(next, live["metadata"]!["uid"]!.GetValue<string>()) : null;
    }

    internal static void RequireHash(ObjectRestorePlan plan, string approvedHash)
    {
        if (!string.Equals(plan.Hash, approvedHash, StringComparison.Ordinal))
        {
            throw new EngineException(
                "target-drifted", ErrorKind.Conflict, "the target or the restore point is no longer what the plan was made for", "make the plan again, look at it and confirm it as it is now");
        }
    }

    private async Task<string?> UndoAsync(PlannedObject one, string uid, CancellationToken cancellationToken)
    {
        if (_catalogue.Serving(one.Document!["apiVersion"]!.GetValue<string>(), one.Target.Kind) is not { } resource)
        {
            // A server that is away says nothing of what it keeps.
            var group = KubeObjectKey.GroupOf(one.Document["apiVersion"]!.GetValue<string>());
            return _catalogue.Problems.FirstOrDefault(problem => KubeObjectKey.GroupOf(problem.Key) == group) is { Value: { } problem } ? $"its API group does not answer: {problem}"
                : one.Action == ObjectAction.Create ? null : "its kind is gone";
        }

        var path = resource.PathOf(one.Target.Namespace, one.Target.Name);
        var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false);
        if (live is null)
        {
            return one.Action == ObjectAction.Create ? null : "it is gone";
        }

        if (live["metadata"]!["uid"]!.GetValue<string>() != uid)
        {
            return "somebody has put another one in its place";
        }

        if (one.Action == ObjectAction.Create)
        {
            var gone = await api.DeleteAsync(path, uid, cancellationToken).ConfigureAwait(false);
            return gone.IsSuccess || gone.Status == 404 ? null : gone.Message;
        }

        var back = await api.ReplaceAsync(path, ObjectBodies.ForUndo(one.Live!, one.LivePorts, live), isDryRun: false, cancellationToken).ConfigureAwait(false);
        return back.IsSuccess ? null : back.Message;
    }

    private async Task<string?> ApplyAsync(PlannedObject one, CancellationToken cancellationToken)
    {
        if (_catalogue.Serving(one.Document!["apiVersion"]!.GetValue<string>(), one.Target.Kind) is not { } resource)
        {
            _failed.Add($"{one.Target}: the target does not serve its kind");
            return null;
        }

        var path = resource.PathOf(one.Target.Namespace, one.Target.Name);
        var answer = one.Action == ObjectAction.Create
            ? await CreateAsync(one, resource, cancellationToken).ConfigureAwait(false)
            : await ChangeAsync(one, path, cancellationToken).ConfigureAwait(false);
        if (answer.IsSuccess)
        {
            return answer.Body!["metadata"]!["uid"]!.GetValue<string>();
        }

        if (answer.Reason == "AlreadyExists")
        {
            return await TakeOverAsync(one, path, cancellationToken).ConfigureAwait(false);
        }

        if (answer.Status == 409)
        {
            throw Drifted(one);
        }

        _failed.Add($"{one.Target}: {answer.Message}");
        return null;
    }

    /// <summary>A namespace or definition that was made a moment ago is not everywhere in the server at once.</summary>
    private async Task<KubeAnswer> CreateAsync(PlannedObject one, KubeResource resource, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.CreateAsync(resource.PathOf(one.Target.Namespace), ObjectBodies.ForCreate(one.Document!), isDryRun: false, cancellationToken).ConfigureAwait(false);
            if (answer.Status != 404 || attempt == 20)
            {
                return answer;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<KubeAnswer> ChangeAsync(PlannedObject one, string path, CancellationToken cancellationToken)
    {
        var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false) ?? throw Drifted(one);
        var digest = ObjectRestorePlan.DigestOf(ObjectBodies.AsFound(live, one.Document!));
        if (digest != one.LiveDigest && digest != one.Digest)
        {
            throw Drifted(one);
        }

        return await api.ReplaceAsync(path, ObjectBodies.ForChange(one.Document!, live), isDryRun: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Something is there that was not: an attempt of ours that died before its note, a controller's default, or a stranger.</summary>
    private async Task<string?> TakeOverAsync(PlannedObject one, string path, CancellationToken cancellationToken)
    {
        var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false);
        if (live is null)
        {
            throw Drifted(one);
        }

        if (ObjectBodies.IsAsCreated(one.Document!, live))
        {
            return live["metadata"]!["uid"]!.GetValue<string>();
        }

        // The service account "default" is made with its namespace: what was stored for it is merged into that.
        if (one.Target is { Kind: "ServiceAccount", Group: "", Name: "default" })
        {
            return await MergeAsync(one, path, live, cancellationToken).ConfigureAwait(false);
        }

        throw Drifted(one);
    }

    /// <summary>Its controllers note a token in it at the same time: what they write in between is read again.</summary>
    private async Task<string> MergeAsync(PlannedObject one, string path, JsonObject live, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.ReplaceAsync(path, ObjectBodies.ForChange(one.Document!, live), isDryRun: false, cancellationToken).ConfigureAwait(false);
            if (answer.IsSuccess)
            {
                return live["metadata"]!["uid"]!.GetValue<string>();
            }

            if (answer.Status != 409 || attempt == 20)
            {
                throw Drifted(one);
            }

            live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false) ?? throw Drifted(one);
        }
    }

    private static EngineException Drifted(PlannedObject one) => new(
        "target-drifted", ErrorKind.Conflict, $"{one.Target} is no longer as the plan saw it", "what was done so far can be undone; make the plan again, look at it and confirm it as it is now");

    private async Task WaitServedAsync(ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        var wanted = plan.Objects.Where(one => one is { IsEffect: true, Target.Kind: "CustomResourceDefinition" })
            .SelectMany(one => (one.Document!["spec"]?["versions"] as JsonArray ?? []).Where(version => version?["served"]?.GetValue<bool>() == true)
                .Select(version => (Group: one.Document!["spec"]!["group"]!.GetValue<string>(), Version: version!["name"]!.GetValue<string>(), Kind: one.Document!["spec"]!["names"]!["kind"]!.GetValue<string>())))
            .ToList();
        using var patience = new CancellationTokenSource(s_patience, time);
        while (true)
        {
            _catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete").ConfigureAwait(false);
            if (patience.IsCancellationRequested || wanted.All(one => _catalogue.Served.Any(kind => kind.Group == one.Group && kind.Version == one.Version && kind.Kind == one.Kind)))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Owners by name, with the identity that they have here: restored a moment ago, or there before.</summary>
    private async Task PatchOwnersAsync(ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        foreach (var one in plan.Objects.Where(one => one.Action == ObjectAction.Create && _uids.ContainsKey(one.Target)))
        {
            if (one.Document!["metadata"]?["ownerReferences"] is not JsonArray { Count: > 0 } stored)
            {
                continue;
            }

            var owners = new JsonArray();
            foreach (var owner in stored.OfType<JsonObject>())
            {
                if (await UidOfAsync(one, owner, cancellationToken).ConfigureAwait(false) is { } uid)
                {
                    var copy = owner.DeepClone().AsObject();
                    copy["uid"] = uid;
                    owners.Add(copy);
                }
                else
                {
                    _warnings.Add($"{one.Target}: its owner {owner["kind"]} {owner["name"]} is not in the target; it stands without it");
                }
            }

            var resource = _catalogue.Serving(one.Document["apiVersion"]!.GetValue<string>(), one.Target.Kind)!;
            var patch = new JsonObject { ["metadata"] = new JsonObject { ["ownerReferences"] = owners } };
            var answer = await api.PatchAsync(resource.PathOf(one.Target.Namespace, one.Target.Name), patch, cancellationToken).ConfigureAwait(false);
            if (!answer.IsSuccess)
            {
                _warnings.Add($"{one.Target}: its owners could not be set: {answer.Message}");
            }
        }
    }

    private async Task<string?> UidOfAsync(PlannedObject one, JsonObject owner, CancellationToken cancellationToken)
    {
        var apiVersion = owner["apiVersion"]!.GetValue<string>();
        var kind = owner["kind"]!.GetValue<string>();
        var name = owner["name"]!.GetValue<string>();
        if (_catalogue.Serving(apiVersion, kind) is not { } resource)
        {
            return null;
        }

        var key = new KubeObjectKey(KubeObjectKey.GroupOf(apiVersion), kind, resource.IsNamespaced ? one.Target.Namespace : "", name);
        return _uids.TryGetValue(key, out var uid)
            ? uid
            : (await api.FindAsync(resource.PathOf(key.Namespace, name), cancellationToken).ConfigureAwait(false))?["metadata"]?["uid"]?.GetValue<string>();
    }
}
