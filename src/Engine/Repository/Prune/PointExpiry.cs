using Hexabase.DrConsole.Engine.Repository.Manifests;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Which restore points go: those that the caller names, but for protected ones.</summary>
/// <param name="Expired">These go.</param>
/// <param name="Protected">These were to go and stay.</param>
/// <param name="Total">Restore points in the store.</param>
internal sealed record PointExpiry(IReadOnlyList<PrunedPoint> Expired, IReadOnlyList<PrunedPoint> Protected, int Total)
{
    /// <summary>Decides; changes nothing.</summary>
    /// <param name="parts">The tier.</param>
    /// <param name="asked">What the caller wants to go.</param>
    /// <param name="attestations">All of them.</param>
    /// <param name="now">The store's time.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task<PointExpiry> DecideAsync(
        RepositoryParts parts, IReadOnlyList<PointToExpire> asked, AttestationList attestations, DateTimeOffset now, CancellationToken ct)
    {
        var keys = await parts.Manifests.KeysAsync(ct);
        if (asked.Count == 0)
        {
            return new PointExpiry([], [], keys.Count);
        }

        // Only a few fields of each are kept, so that memory does not grow with what manifests say of their content.
        var points = new List<Manifest>();
        await foreach (var manifest in parts.Manifests.ReadEachAsync(keys, ct))
        {
            points.Add(manifest with { Artifacts = [], Facts = null, ToolVersions = Empty, Properties = Empty });
        }

        var protection = new PointProtection(points, attestations, now);
        var byId = points.ToDictionary(point => point.Id);
        var (expired, kept) = (new List<PrunedPoint>(), new List<PrunedPoint>());
        foreach (var one in asked.DistinctBy(one => one.Id).Where(one => keys.Contains(ManifestStore.KeyOf(one.Id))))
        {
            var point = byId.GetValueOrDefault(one.Id);
            var reason = protection.Of(one.Id);
            (reason is null ? expired : kept).Add(new PrunedPoint(one.Id, point?.Source, point?.CreatedAt, reason ?? one.Reason));
        }

        return new PointExpiry(expired, kept, keys.Count);
    }

    private static IReadOnlyDictionary<string, string> Empty { get; } = new Dictionary<string, string>();
}
