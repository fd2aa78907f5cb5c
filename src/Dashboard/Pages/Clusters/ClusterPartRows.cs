using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>A part of a virtual cluster, in the newest restore point that holds it.</summary>
/// <param name="Name">In the reader's words.</param>
/// <param name="Point">Null where none of the looked-through restore points holds it.</param>
/// <param name="Bytes">Its length there.</param>
/// <param name="Unread">Kinds, and of volumes claims, that are not in it, since they could not be read.</param>
internal sealed record ClusterPart(string Name, RestorePointRow? Point, long Bytes, IReadOnlyList<string> Unread);

/// <summary>Which parts of a virtual cluster its restore points hold.</summary>
internal static class ClusterPartRows
{
    private static readonly (Func<string> Name, Func<StoredArtifact, bool> IsIt)[] s_parts =
    [
        (() => ClusterTexts.PartStore, artifact => artifact.Name is VClusterArtifacts.Etcd or "state.db"),
        (() => ClusterTexts.PartVolumes, artifact => artifact.Type == StoredArtifact.TreeType),
        (() => ClusterTexts.PartResources, artifact => artifact.Name == VClusterArtifacts.Resources),
        (() => ClusterTexts.PartConfiguration, artifact => artifact.Name == VClusterArtifacts.Configuration),
        (() => ClusterTexts.PartSecrets, artifact => artifact.Name == VClusterArtifacts.Secrets),
        (() => ClusterTexts.PartCustom, artifact => artifact.Name == VClusterArtifacts.CustomResources),
        (() => ClusterTexts.PartHost, artifact => artifact.Name == VClusterArtifacts.HostObjects),
        (() => ClusterTexts.PartHostSecrets, artifact => artifact.Name == VClusterArtifacts.HostSecrets),
    ];

    /// <summary>Parts with one kind of object: where that could not be read, the artifact is there and empty.</summary>
    private static readonly string[] s_single = [VClusterArtifacts.Configuration, VClusterArtifacts.Secrets, VClusterArtifacts.HostSecrets];

    /// <param name="points">Newest first.</param>
    public static IReadOnlyList<ClusterPart> Of(IEnumerable<RestorePointRow> points)
    {
        var read = points.Select(point => (
            Point: point, Artifacts: JsonSerializer.Deserialize<List<StoredArtifact>>(point.ArtifactsJson, JsonSerializerOptions.Web)!, Unread: VClusterFacts.UnreadIn(point.FactsJson))).ToList();
        return
        [
            .. s_parts.Select(part =>
            {
                var found = read.FirstOrDefault(one => one.Artifacts.Exists(artifact => part.IsIt(artifact) && !(s_single.Contains(artifact.Name) && one.Unread.ContainsKey(artifact.Name))));
                var artifacts = found.Artifacts?.Where(part.IsIt).ToList() ?? [];
                // A later backup may have found a claim whose data it could not take: then what is there is not all that there is now.
                var claims = artifacts.Exists(artifact => artifact.Type == StoredArtifact.TreeType)
                    ? read.TakeWhile(one => one.Point != found.Point).Append(found).SelectMany(one => one.Unread.GetValueOrDefault(VClusterFacts.Volumes) ?? []).Distinct(StringComparer.Ordinal) : [];
                return new ClusterPart(part.Name(), found.Point, artifacts.Sum(artifact => artifact.Length), [.. artifacts.SelectMany(artifact => found.Unread.GetValueOrDefault(artifact.Name) ?? []), .. claims]);
            }),
        ];
    }
}
