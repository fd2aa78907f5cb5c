using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What is sent to a server for an object.</summary>
internal static class ObjectBodies
{
    /// <summary>On a Namespace: its own name, which its server puts there.</summary>
    private const string NameLabel = "kubernetes.io/metadata.name";

    /// <summary>Gives a document its name and namespace in the target, and the node ports that it shall keep.</summary>
    internal static void Map(JsonObject document, CapturedObject one, KubeObjectKey target, RestoreSelection selection)
    {
        document["metadata"]!["name"] = target.Name;
        if (target.Namespace.Length > 0)
        {
            document["metadata"]!["namespace"] = target.Namespace;
        }

        if (one.Key is { Kind: "Namespace", Group: "" } && document["metadata"]!["labels"] is JsonObject labels && labels.ContainsKey(NameLabel))
        {
            labels[NameLabel] = target.Name;
        }

        // Rights name the namespaces of those who have them, and a volume that of its claim.
        foreach (var subject in (document["subjects"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (SubjectAccounts.Of(subject) is { } accounts)
            {
                accounts.Mapped(selection).WriteTo(subject);
            }
        }

        if (one.Key is { Kind: "PersistentVolume", Group: "" } && document["spec"]?["claimRef"] is JsonObject claim)
        {
            MapNamespace(claim, selection);
        }

        if (selection.KeepsNodePorts && one.AssignedPorts is { } ports)
        {
            KeepPorts(document, ports);
        }
    }

    /// <summary>Without owners: one with another cluster's identity is accepted and collected as garbage at once. They follow as a patch.</summary>
    internal static JsonObject ForCreate(JsonObject document)
    {
        var body = document.DeepClone().AsObject();
        (body["metadata"] as JsonObject)?.Remove("ownerReferences");
        return body;
    }

    /// <summary>What is there, as it is compared with a document: cleaned, but for the node ports that the document names too.</summary>
    internal static JsonObject AsFound(JsonObject live, JsonObject document)
    {
        var found = ObjectCleaning.Clean(live.DeepClone().AsObject());
        if (ObjectCleaning.AssignedPorts(live) is { } assigned)
        {
            var named = ObjectCleaning.PortsOf(document);
            KeepPorts(found, assigned.Where(port => named.ContainsKey(port.Key)).ToDictionary());
        }

        return found;
    }

    /// <summary>True where the one that is there is what this document was created as; a claim may have been bound since.</summary>
    internal static bool IsAsCreated(JsonObject document, JsonObject live)
    {
        var body = ForCreate(document);
        ClaimBinding.TakesOver(body, live);
        return ObjectDifference.Between(AsFound(live, body), body).Count == 0;
    }

    /// <summary>What was there before a change, as it is put back: with the node ports that its server had chosen.</summary>
    /// <param name="document">What it was changed to.</param>
    /// <param name="before">What was there, cleaned.</param>
    /// <param name="ports">Those ports; null where it had none.</param>
    /// <param name="live">What the change made of it.</param>
    internal static JsonObject ForUndo(JsonObject document, JsonObject before, IReadOnlyDictionary<string, int>? ports, JsonObject live)
    {
        var body = before.DeepClone().AsObject();
        KeepPorts(body, ports ?? new Dictionary<string, int>());
        var undone = ForChange(body, live);
        return ObjectOwners.AreSame(document, before) ? undone : ObjectOwners.TakeOver(undone, before);
    }

    /// <summary>The stored content over the one that is there, with what only the server assigns, and owners as they are: those follow as a patch.</summary>
    internal static JsonObject ForChange(JsonObject document, JsonObject live)
    {
        var body = ForCreate(document);
        var metadata = body["metadata"]!.AsObject();
        metadata["resourceVersion"] = live["metadata"]!["resourceVersion"]!.DeepClone();
        if (live["metadata"]!["ownerReferences"] is { } owners)
        {
            metadata["ownerReferences"] = owners.DeepClone();
        }

        // No document has it, no difference shows it, and of a kind without a status of its own whoever replaces the object replaces that too.
        KeepMember(body, live, "status");
        if (body["spec"] is JsonObject spec && live["spec"] is JsonObject there)
        {
            KeepAssigned(KubeObjectKey.Of(document), spec, there);
        }

        switch (KubeObjectKey.Of(document))
        {
            case { Kind: "Service", Group: "" } when (body["spec"]?["type"]?.GetValue<string>() is "NodePort" or "LoadBalancer"):
                KeepPorts(body, ObjectCleaning.AssignedPorts(live) ?? new Dictionary<string, int>());
                break;
            case { Kind: "ServiceAccount", Group: "" }:
                KeepTokens(body, live, metadata["name"]!.GetValue<string>());
                break;
            case { Kind: "Job", Group: "batch" } when body["spec"] is JsonObject job && live["spec"] is JsonObject running:
                KeepSelector(job, running);
                break;
        }

        return body;
    }

    /// <summary>Keeps what a server or its binder has assigned, by the kind that it is assigned to: of any other kind a field by the same name is somebody's own, and goes where the plan says so.</summary>
    private static void KeepAssigned(KubeObjectKey key, JsonObject spec, JsonObject there)
    {
        switch (key)
        {
            case { Kind: "Service", Group: "" } when spec["type"]?.ToString() != "ExternalName" && there["clusterIP"]?.ToString() != "None":
                KeepMember(spec, there, "clusterIP");
                KeepMember(spec, there, "clusterIPs");
                break;
            case { Kind: "PersistentVolumeClaim", Group: "" }:
                KeepMember(spec, there, "volumeName");
                break;
            case { Kind: "Pod", Group: "" }:
                KeepMember(spec, there, "nodeName");
                break;
            case { Kind: "PersistentVolume", Group: "" } when spec["claimRef"] is JsonObject claim && there["claimRef"] is JsonObject bound && IsSame(claim, bound, "namespace") && IsSame(claim, bound, "name"):
                // Without the claim's identity the volume would be bound anew, to whatever bears that name then.
                KeepMember(claim, bound, "uid");
                KeepMember(claim, bound, "resourceVersion");
                break;
        }
    }

    private static bool IsSame(JsonObject one, JsonObject other, string key) => JsonNode.DeepEquals(one[key], other[key]);

    private static void KeepMember(JsonObject body, JsonObject live, string key)
    {
        if (!body.ContainsKey(key) && live[key] is { } assigned)
        {
            body[key] = assigned.DeepClone();
        }
    }

    private static void MapNamespace(JsonObject reference, RestoreSelection selection)
    {
        if (reference["namespace"]?.GetValue<string>() is { } ns && selection.NamespaceMap.TryGetValue(ns, out var mapped))
        {
            reference["namespace"] = mapped;
        }
    }

    /// <summary>Gives ports that ask for none the node port that they had.</summary>
    private static void KeepPorts(JsonObject service, IReadOnlyDictionary<string, int> had)
    {
        foreach (var port in (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (!port.ContainsKey("nodePort") && had.TryGetValue(ObjectCleaning.PortName(port), out var number))
            {
                port["nodePort"] = number;
            }
        }

        if (service["spec"] is JsonObject spec && !spec.ContainsKey(ObjectCleaning.HealthPort) && spec["type"]?.ToString() == "LoadBalancer" && had.TryGetValue(ObjectCleaning.HealthPort, out var health))
        {
            spec[ObjectCleaning.HealthPort] = health;
        }
    }

    /// <summary>Tokens that a controller made for an account and noted in it: without the note it would make another one.</summary>
    private static void KeepTokens(JsonObject body, JsonObject live, string name)
    {
        var tokens = (live["secrets"] as JsonArray ?? []).OfType<JsonObject>().Where(entry => ObjectCleaning.IsTokenOf(name, entry)).ToList();
        if (tokens.Count == 0)
        {
            return;
        }

        body["secrets"] = new JsonArray([.. (body["secrets"] as JsonArray ?? []).Concat(tokens).Select(entry => entry?.DeepClone())]);
    }

    /// <summary>A Job's selector and the label behind it are its server's, and can never be changed.</summary>
    private static void KeepSelector(JsonObject job, JsonObject running)
    {
        KeepMember(job, running, "selector");
        if (running["template"]?["metadata"]?["labels"] is JsonObject labels && job["template"]?["metadata"] is JsonObject template)
        {
            var own = template["labels"] as JsonObject ?? [];
            foreach (var label in ObjectCleaning.JobLabels)
            {
                KeepMember(own, labels, label);
            }

            template["labels"] = own.Parent is null ? own : own.DeepClone();
        }
    }
}
