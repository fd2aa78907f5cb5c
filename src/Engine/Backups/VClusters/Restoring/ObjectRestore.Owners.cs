using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>Owners, which follow when the objects that they are have been made.</summary>
public sealed partial class ObjectRestore
{
    private readonly HashSet<KubeObjectKey> _owned = [];

    /// <summary>True where an owner is not there before the server asks others about each write.</summary>
    private static bool HasLateOwner(PlannedObject one) => one.Document is { } document && ObjectOwners.Of(document).Any(owner =>
        RestoreOrder.IsOfOtherServers(new KubeObjectKey(KubeObjectKey.GroupOf(owner["apiVersion"]?.GetValue<string>() ?? ""), owner["kind"]?.GetValue<string>() ?? "", "", "")));

    /// <summary>Owners by name, with the identity that they have here: restored a moment ago, or there before.</summary>
    private async Task PatchOwnersAsync(IEnumerable<PlannedObject> objects, CancellationToken cancellationToken)
    {
        foreach (var one in objects.Where(one => one.IsEffect && _uids.ContainsKey(one.Target) && _owned.Add(one.Target)))
        {
            var stored = ObjectOwners.Of(one.Document!);
            if (one.Action == ObjectAction.Create ? stored.Count == 0 : one.Live is null || ObjectOwners.AreSame(one.Document!, one.Live))
            {
                continue;
            }

            var owners = new JsonArray();
            var missing = new List<string>();
            foreach (var owner in stored)
            {
                if (await _server.AskAsync(() => UidOfAsync(one, owner, cancellationToken), cancellationToken).ConfigureAwait(false) is { } uid)
                {
                    var copy = owner.DeepClone().AsObject();
                    copy["uid"] = uid;
                    owners.Add(copy);
                }
                else
                {
                    missing.Add($"{one.Target}: its owner {owner["kind"]} {owner["name"]} is not in the target; {(one.Action == ObjectAction.Create ? "it stands without it" : "its owners stay as they are")}");
                }
            }

            _warnings.AddRange(missing);
            if (missing.Count > 0 && one.Action == ObjectAction.Change)
            {
                // One that lives must not lose the owner that it has for one that is nowhere.
                continue;
            }

            var resource = _catalogue.Serving(one.Document!["apiVersion"]!.GetValue<string>(), one.Target.Kind)!;
            var patch = new JsonObject { ["metadata"] = new JsonObject { ["ownerReferences"] = owners } };
            if (await WhyNotSetAsync(one, resource, patch, cancellationToken).ConfigureAwait(false) is { } why)
            {
                _warnings.Add($"{one.Target}: its owners could not be set: {why}");
            }
        }
    }

    private async Task<string?> WhyNotSetAsync(PlannedObject one, KubeResource resource, JsonObject patch, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await _server.AskAsync(() => PatchAsync(one, resource.PathOf(one.Target.Namespace, one.Target.Name), patch, cancellationToken), cancellationToken).ConfigureAwait(false);
            return answer.IsSuccess ? null : answer.Message;
        }
        catch (EngineException fault) when (NoteAway(fault))
        {
            return ReasonOf(fault);
        }
    }

    private async Task<KubeAnswer> PatchAsync(PlannedObject one, string path, JsonObject patch, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.PatchAsync(path, patch, cancellationToken).ConfigureAwait(false);
            RequireServer(answer, $"setting the owners of {one.Target}");
            if (answer.Status != 409 || attempt == Attempts)
            {
                return answer;
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
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
