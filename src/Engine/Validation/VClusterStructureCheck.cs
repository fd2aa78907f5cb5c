using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Step four for a virtual cluster: every document parses and is what the index says, counts are those of the inventory,
/// owners resolve, its claims' data is all there, and etcd's snapshot has its hash and can be read by etcd's own tool.
/// </summary>
internal sealed class VClusterStructureCheck(ProofWork work)
{
    /// <summary>
    /// What a virtual cluster is made of on its host, Helm's release and its keys among it. Of what else may stand beside it there,
    /// as custom resources and the host's volumes, a user who may only enter the namespace need not see anything.
    /// </summary>
    private static readonly HashSet<string> s_madeOf =
    [
        "configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services", "deployments.apps", "statefulsets.apps", "rolebindings.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io",
        // The groups that these are of: one that did not answer has none of its kinds in the restore point.
        VClusterBackup.UnreadGroup("v1"), VClusterBackup.UnreadGroup("apps/v1"), VClusterBackup.UnreadGroup("rbac.authorization.k8s.io/v1"),
    ];

    private const int NamedUnread = 10;

    public async Task<StepOutcome> RunAsync(CancellationToken cancellationToken)
    {
        var inventory = await ClusterInventory.ReadAsync(work.Repository, work.Manifest, cancellationToken);
        var stored = new StoredObjects(work.Repository, work.Manifest);
        var index = await stored.ReadIndexAsync(cancellationToken);
        // Reading proves for each that a document lies there, parses, and bears the name that the index gives.
        var documents = await stored.ReadAsync(index, cancellationToken);
        var faults = CountFaults(inventory, index).ToList();
        faults.AddRange(documents.Where(one => ObjectDigest(one.Document) != one.Object.Digest).Select(one => $"{one.Object.Key} has another digest than the index says"));
        faults.AddRange((inventory.Volumes ?? []).Where(volume => work.Manifest.Artifacts.All(one => one.Name != volume.Artifact)).Select(volume => $"{volume.Artifact} is missing"));
        faults.AddRange(await new ClaimVolumesProof(work).CountAsync(cancellationToken));
        var (hostDocuments, hostFaults) = await CountHostAsync(inventory, cancellationToken);
        faults.AddRange(hostFaults);
        if (faults.Count > 0)
        {
            return StepOutcome.Failed($"{faults.Count} faults in the documents and volumes: {string.Join("; ", faults.Take(5))}", faults);
        }

        var dangling = DanglingOwners(documents).ToList();
        var found = $"{documents.Count} documents of {inventory.Kinds.Count(kind => kind.Captured > 0)} kinds parse and are what the index says, and {hostDocuments} of the host parse"
            + (Elsewhere(inventory) is { } elsewhere ? $"; not in it, since a source of its own backs it up: {elsewhere}" : "")
            + (Unread(inventory) is { } unread ? $"; NOT in it, since the backup could not read them: {unread}" : "")
            + (dangling.Count > 0 ? $"; {dangling.Count} have an owner that is not in the restore point, {dangling[0]} among them" : "; all owners resolve");
        return inventory.Etcd is null
            ? StepOutcome.Passed($"{found}; no etcd snapshot")
            : await CheckEtcdAsync(inventory.Etcd, found, cancellationToken);
    }

    /// <summary>Kinds, API groups and claims' data that are in no restore point although the cluster has them; null for none. What a source of its own backs up has its own proof.</summary>
    public static string? Unread(ClusterInventory inventory)
    {
        List<string> names =
        [
            .. inventory.Kinds.Where(kind => kind.Problem is not null).Select(kind => $"{kind.Name} ({kind.Problem})"),
            .. (inventory.UnreadGroups ?? new Dictionary<string, string>()).Select(group => $"API group {group.Key} ({group.Value})"),
            .. (inventory.MissingClaims ?? []).Where(claim => claim.BackedUpBy is null).Select(claim => $"the data of claim {claim.Namespace}/{claim.Claim} ({claim.Why})"),
            .. (inventory.UnreadableItems ?? new Dictionary<string, long>()).Select(claim => $"{Counted.Of(claim.Value, "item")} of claim {claim.Key}"),
            .. (inventory.UnreadHostKinds ?? new Dictionary<string, string>()).Where(kind => s_madeOf.Contains(kind.Key)).Select(kind => $"{kind.Key} of the host ({kind.Value})"),
        ];
        return names.Count == 0 ? null : string.Join("; ", names.Take(NamedUnread)) + (names.Count > NamedUnread ? $" and {names.Count - NamedUnread} more" : "");
    }

    /// <summary>Claims that sources of their own back up; null for none.</summary>
    private static string? Elsewhere(ClusterInventory inventory)
    {
        var claims = (inventory.MissingClaims ?? []).Where(claim => claim.BackedUpBy is not null).Select(claim => $"the data of claim {claim.Namespace}/{claim.Claim} ({claim.BackedUpBy})").ToList();
        return claims.Count == 0 ? null : string.Join("; ", claims.Take(NamedUnread)) + (claims.Count > NamedUnread ? $" and {claims.Count - NamedUnread} more" : "");
    }

    /// <summary>No index leads to the host's documents: each artifact is read from its beginning.</summary>
    private async Task<(int Documents, IReadOnlyList<string> Faults)> CountHostAsync(ClusterInventory inventory, CancellationToken cancellationToken)
    {
        var (documents, faults) = (0, new List<string>());
        foreach (var artifact in (string[])[VClusterArtifacts.HostObjects, VClusterArtifacts.HostSecrets])
        {
            if (work.Manifest.Artifacts.All(one => one.Name != artifact))
            {
                faults.AddRange(inventory.HostDocuments is null ? [] : [$"{artifact} is missing"]);
                continue;
            }

            using var content = new MemoryStream();
            await work.Repository.ReadStreamAsync(work.Manifest, artifact, content, null, cancellationToken);
            content.Position = 0;
            using var text = new StreamReader(content);
            var found = ObjectYaml.Read(text).Count(one => KubeObjectKey.Of(one) is { Kind.Length: > 0, Name.Length: > 0 });
            documents += found;
            if (inventory.HostDocuments?.GetValueOrDefault(artifact) is { } said && said != found)
            {
                faults.Add($"{artifact}: {found} documents, and {said} were captured");
            }
        }

        return (documents, faults);
    }

    private async Task<StepOutcome> CheckEtcdAsync(EtcdFacts facts, string found, CancellationToken cancellationToken)
    {
        var folder = await ScratchFolder.CreateAsync(work.Options.ScratchRoot, work.Options.ProtectedPaths, work.Registry, cancellationToken);
        await using (folder)
        {
            var file = folder.FileOf("etcd.snapshot");
            await EtcdTool.WriteSnapshotAsync(work.Repository, work.Manifest, facts, file, cancellationToken);
            var (revision, keys) = await EtcdTool.StatusAsync(file, work.Registry, cancellationToken);
            return revision < facts.Revision
                ? StepOutcome.Failed($"etcd's snapshot is of revision {revision}, and etcd was at {facts.Revision} before it was taken", [VClusterArtifacts.Etcd])
                : StepOutcome.Passed($"{found}; etcd's snapshot has its hash, revision {revision} and {keys} keys");
        }
    }

    private static string ObjectDigest(JsonObject document) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(ObjectYaml.Write(document))).AsSpan(0, 8));

    private static IEnumerable<string> CountFaults(ClusterInventory inventory, IReadOnlyList<CapturedObject> index)
    {
        var counted = index.GroupBy(one => (one.ApiVersion, one.Kind)).ToDictionary(group => group.Key, group => group.Count());
        foreach (var kind in inventory.Kinds)
        {
            var there = counted.GetValueOrDefault((kind.ApiVersion, kind.Kind));
            if (there != kind.Captured)
            {
                yield return $"{kind.Name}: {there} documents, and {kind.Captured} were captured";
            }

            if (kind is { LeftOut: null, Problem: null } && kind.Captured != kind.Listed)
            {
                yield return $"{kind.Name}: {kind.Captured} captured of {kind.Listed} listed";
            }
        }
    }

    private static IEnumerable<KubeObjectKey> DanglingOwners(IReadOnlyList<(CapturedObject Object, JsonObject Document)> documents)
    {
        var known = documents.Select(one => one.Object.Uid).ToHashSet(StringComparer.Ordinal);
        return documents.Where(one => (one.Document["metadata"]?["ownerReferences"] as JsonArray ?? []).Any(owner => !known.Contains(owner?["uid"]?.GetValue<string>() ?? "")))
            .Select(one => one.Object.Key);
    }
}
