using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>The names of a restore point's artifacts.</summary>
public static class VClusterArtifacts
{
    /// <summary>etcd's own snapshot with its hash at the end.</summary>
    public const string Etcd = "etcd.snapshot";

    /// <summary>Every object that is in none of the others.</summary>
    public const string Resources = "resources.yaml";

    /// <summary>ConfigMaps.</summary>
    public const string Configuration = "configuration.yaml";

    /// <summary>Secrets, and nothing else: who may read those of a tenant is another question.</summary>
    public const string Secrets = "secrets.yaml";

    /// <summary>Definitions of custom resources, then custom resources.</summary>
    public const string CustomResources = "custom-resources.yaml";

    /// <summary>What the virtual cluster is on its host, without Secrets.</summary>
    public const string HostObjects = "host-objects.yaml";

    /// <summary>The host's Secrets that belong to it: Helm's releases, its own configuration and keys.</summary>
    public const string HostSecrets = "host-secrets.yaml";

    /// <summary>One line of JSON per object: <see cref="CapturedObject"/>.</summary>
    public const string Index = "objects.jsonl";

    /// <summary>Counts, versions and warnings: <see cref="ClusterInventory"/>.</summary>
    public const string Inventory = "inventory.json";

    /// <summary>The artifact with the data of a claim: a file tree.</summary>
    public static string VolumeOf(string ns, string claim)
    {
        var name = $"volume.{ns}.{claim}";
        // Kubernetes' names may be longer than an artifact's.
        return name.Length <= 200 ? name : $"volume.{ns}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(claim)))}";
    }

    /// <summary>The artifacts with a virtual cluster's objects, in the order in which they are stored.</summary>
    public static readonly IReadOnlyList<string> OfObjects = [CustomResources, Resources, Configuration, Secrets];
}

/// <summary>An object in a restore point.</summary>
/// <param name="ApiVersion">Group and version that it was read in.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Namespace">Empty for objects of the whole cluster.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uid">The identity that its server gave it.</param>
/// <param name="Artifact">Where its document is.</param>
/// <param name="Offset">First byte of the document in the artifact.</param>
/// <param name="Length">Bytes of the document.</param>
/// <param name="Digest">The first 16 hex digits of the document's SHA-256: equal documents are equal objects.</param>
/// <param name="IsTerminating">True where it was being deleted.</param>
public sealed record CapturedObject(
    string ApiVersion, string Kind, string Namespace, string Name, string Uid, string Artifact, long Offset, int Length, string Digest, bool IsTerminating)
{
    /// <summary>What tells it from others.</summary>
    [JsonIgnore]
    public KubeObjectKey Key => new(KubeObjectKey.GroupOf(ApiVersion), Kind, Namespace, Name);

    /// <summary>True for a Pod or Job that had come to its end: made anew it would run again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsFinished { get; init; }

    /// <summary>Of a Service: the node ports that its server chose, by <c>port/protocol</c>; the document has only those that were asked for.</summary>
    public IReadOnlyDictionary<string, int>? AssignedPorts { get; init; }

    /// <summary>As it was listed: true where a controller or the server itself makes it anew. No restore point holds it.</summary>
    [JsonIgnore]
    public bool IsMadeAnew { get; init; }

    /// <summary>As it was listed: the digest without what an autoscaler writes, where it may write there. No restore point holds it.</summary>
    [JsonIgnore]
    public string? SteadyDigest { get; init; }
}

/// <summary>What became of one kind.</summary>
/// <param name="Name">As kubectl names it, for example <c>ingresses.networking.k8s.io</c>.</param>
/// <param name="ApiVersion">The version that it was read in.</param>
/// <param name="Kind">For example <c>Ingress</c>.</param>
/// <param name="IsNamespaced">False for objects of the whole cluster.</param>
/// <param name="Listed">Objects that the server listed; of Endpoints and their slices only those that no controller manages.</param>
/// <param name="Captured">Objects in the restore point.</param>
/// <param name="LeftOut">Why it was not listed at all, where that is by rule.</param>
/// <param name="Problem">Why it could not be listed, where that failed.</param>
public sealed record KindCount(string Name, string ApiVersion, string Kind, bool IsNamespaced, int Listed, int Captured, string? LeftOut, string? Problem);

/// <summary>What is known of the etcd that a snapshot was taken of.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Revision">Its revision a moment before.</param>
/// <param name="MemberName">The member's name, which a restore must give again.</param>
/// <param name="PeerUrls">The member's addresses for its peers.</param>
/// <param name="Bytes">Bytes of the snapshot.</param>
/// <param name="Sha256">The hash that etcd put at its end, as it was checked.</param>
public sealed record EtcdFacts(string Version, long Revision, string MemberName, IReadOnlyList<string> PeerUrls, long Bytes, string Sha256);

/// <summary>The data of a claim in a restore point.</summary>
/// <param name="Namespace">Of the claim in the virtual cluster.</param>
/// <param name="Claim">Its name there.</param>
/// <param name="Volume">The host's volume that it was bound to.</param>
/// <param name="Path">Where that was read.</param>
/// <param name="Artifact">The file tree.</param>
public sealed record CapturedVolume(string Namespace, string Claim, string Volume, string Path, string Artifact);

/// <summary>A claim whose data is not in a restore point.</summary>
/// <param name="Namespace">Of the claim in the virtual cluster.</param>
/// <param name="Claim">Its name there.</param>
/// <param name="Why">Why it is not.</param>
public sealed record MissingClaim(string Namespace, string Claim, string Why)
{
    /// <summary>The source that backs it up by itself, whose restore points have their own proof; null where none does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? BackedUpBy { get; init; }
}

/// <summary>What a restore point of a virtual cluster holds.</summary>
public sealed record ClusterInventory
{
    public const int CurrentVersion = 1;

    public required int FormatVersion { get; init; }

    /// <summary>The virtual cluster's name and its namespace on the host.</summary>
    public required string Cluster { get; init; }

    public required string HostNamespace { get; init; }

    /// <summary>As the API server says, for example <c>v1.20.2</c>.</summary>
    public required string KubernetesVersion { get; init; }

    public required IReadOnlyList<KindCount> Kinds { get; init; }

    /// <summary>Null where no etcd is configured.</summary>
    public EtcdFacts? Etcd { get; init; }

    /// <summary>The data of its claims; null in restore points of builds that captured none.</summary>
    public IReadOnlyList<CapturedVolume>? Volumes { get; init; }

    /// <summary>Kinds and groups that failed, parts that are missing: each a sentence that names it.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>API groups that could not be asked, as <c>group/version</c>, with the reason; null in inventories of older builds, which only warn of them.</summary>
    public IReadOnlyDictionary<string, string>? UnreadGroups { get; init; }

    /// <summary>Claims that are bound on the host and whose data is not in it; null, as the three below, in inventories of older builds, which only warn of them.</summary>
    public IReadOnlyList<MissingClaim>? MissingClaims { get; init; }

    /// <summary>Files and the like of captured claims that could not be read, counted by claim, as <c>namespace/claim</c>.</summary>
    public IReadOnlyDictionary<string, long>? UnreadableItems { get; init; }

    /// <summary>Kinds and API groups of the host that could not be read, with the reason.</summary>
    public IReadOnlyDictionary<string, string>? UnreadHostKinds { get; init; }

    /// <summary>Documents in each of the host's artifacts.</summary>
    public IReadOnlyDictionary<string, int>? HostDocuments { get; init; }

    /// <summary>Objects in the restore point, the host's not counted.</summary>
    [JsonIgnore]
    public int Objects => Kinds.Sum(kind => kind.Captured);

    /// <summary>Reads it out of a restore point.</summary>
    /// <exception cref="EngineException">It is missing, damaged or of an unknown version.</exception>
    public static async Task<ClusterInventory> ReadAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, VClusterArtifacts.Inventory, buffer, null, cancellationToken).ConfigureAwait(false);
        try
        {
            var read = JsonSerializer.Deserialize(buffer.GetBuffer().AsSpan(0, (int)buffer.Length), VClusterJson.Default.ClusterInventory) ?? throw new JsonException("it is null");
            return read.FormatVersion == CurrentVersion
                ? read
                : throw new EngineException("inventory-version-unknown", ErrorKind.Unsupported, $"the inventory has version {read.FormatVersion}, this build knows {CurrentVersion}", "use a newer build");
        }
        catch (JsonException exception)
        {
            throw new EngineException("inventory-unreadable", ErrorKind.Damaged, $"the inventory cannot be read: {exception.Message}", "validate the restore point", exception);
        }
    }

    internal byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, VClusterJson.Default.ClusterInventory);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClusterInventory))]
[JsonSerializable(typeof(CapturedObject))]
[JsonSerializable(typeof(PauseRecord))]
[JsonSerializable(typeof(Dictionary<string, int>))]
internal sealed partial class VClusterJson : JsonSerializerContext;
