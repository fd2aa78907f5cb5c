using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>What the catalog knows of a restore point of a virtual cluster without reading it.</summary>
public static class VClusterFacts
{
    /// <summary>The fact that names what could not be read, by the artifact that it would be in.</summary>
    internal const string Unread = "unread";

    /// <summary>Stands for the volumes' artifacts, of which each claim has its own: what is named under it are claims whose data no restore point has.</summary>
    public const string Volumes = "volumes";

    /// <summary>Kinds and API groups that could not be read, by artifact, and claims without data under <see cref="Volumes"/>; empty where all were, or the restore point is of a build that did not say so.</summary>
    /// <param name="factsJson">The restore point's facts.</param>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> UnreadIn(string? factsJson)
    {
        var found = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        if (factsJson is not null && JsonNode.Parse(factsJson)?[Unread] is JsonObject unread)
        {
            foreach (var (artifact, names) in unread)
            {
                found[artifact] = names.Deserialize<List<string>>() ?? [];
            }
        }

        return found;
    }

    internal static JsonObject UnreadOf(ClusterCapture capture, ClusterCapture host, IReadOnlyList<MissingClaim> claims)
    {
        var found = new JsonObject();
        // What another source backs up is in that one's restore points.
        if (claims.Where(claim => claim.BackedUpBy is null).Select(claim => $"{claim.Namespace}/{claim.Claim}").ToList() is { Count: > 0 } missing)
        {
            found[Volumes] = Names(missing);
        }

        foreach (var (artifact, names) in capture.Unread())
        {
            found[artifact] = Names(names);
        }

        var secrets = host.Kinds.Where(kind => kind.Problem is not null).ToLookup(kind => kind.Resource is { Group: "", Plural: "secrets" }, kind => kind.Resource.Name);
        foreach (var (artifact, names) in ((string, List<string>)[])[(VClusterArtifacts.HostObjects, [.. secrets[false], .. host.Catalogue.Problems.Keys]), (VClusterArtifacts.HostSecrets, [.. secrets[true]])])
        {
            if (names.Count > 0)
            {
                found[artifact] = Names(names);
            }
        }

        return found;

        static JsonArray Names(List<string> names) => new([.. names.Select(name => JsonValue.Create(name))]);
    }
}
