using Hexabase.DrConsole.Engine.Repository.Manifests;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Which restore points go: those that the caller names, but for protected ones.</summary>
/// <param name="Expired">These go.</param>
/// <param name="Protected">These were to go and stay.</param>
/// <param name="Total">Restore points in the store.</param>
internal sealed record PointExpiry(IReadOnlyList<PrunedPoint> Expired, IReadOnlyList<PrunedPoint> Protected, int Total)
{
    /// <summary>All restore points, as far as what protects one looks at them.</summary>
    private IReadOnlyList<Manifest> Points { get; init; } = [];

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

        var (expired, kept) = Split(points, asked.DistinctBy(one => one.Id).Where(one => keys.Contains(ManifestStore.KeyOf(one.Id))), attestations, now);
        return new PointExpiry(expired, kept, keys.Count) { Points = points };
    }

    /// <summary>
    /// Decides once more of those that go: nothing is added, and what holds, uses and freezes protect by now stays. Restore points
    /// that are gone meanwhile protect no other any more, and new ones do not yet.
    /// </summary>
    public async Task<PointExpiry> AgainAsync(RepositoryParts parts, AttestationList attestations, DateTimeOffset now, CancellationToken ct)
    {
        var keys = (await parts.Manifests.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        var points = Points.Where(point => keys.Contains(ManifestStore.KeyOf(point.Id))).ToList();
        var (expired, kept) = Split(
            points, Expired.Where(point => keys.Contains(ManifestStore.KeyOf(point.Id))).Select(point => new PointToExpire(point.Id, point.Reason)), attestations, now);
        return this with { Expired = expired, Protected = [.. Protected, .. kept], Points = points };
    }

    /// <summary>The same but for some that stay, each for a reason.</summary>
    public PointExpiry Without(IReadOnlyDictionary<RestorePointId, string> kept) => kept.Count == 0 ? this : this with
    {
        Expired = [.. Expired.Where(point => !kept.ContainsKey(point.Id))],
        Protected = [.. Protected, .. Expired.Where(point => kept.ContainsKey(point.Id)).Select(point => point with { Reason = kept[point.Id] })],
    };

    private static (IReadOnlyList<PrunedPoint> Expired, IReadOnlyList<PrunedPoint> Kept) Split(
        List<Manifest> points, IEnumerable<PointToExpire> asked, AttestationList attestations, DateTimeOffset now)
    {
        var protection = new PointProtection(points, attestations, now);
        var byId = points.ToDictionary(point => point.Id);
        var (expired, kept) = (new List<PrunedPoint>(), new List<PrunedPoint>());
        foreach (var one in asked)
        {
            var point = byId.GetValueOrDefault(one.Id);
            var reason = protection.Of(one.Id);
            (reason is null ? expired : kept).Add(new PrunedPoint(one.Id, point?.Source, point?.CreatedAt, reason ?? one.Reason));
        }

        return (expired, kept);
    }

    private static IReadOnlyDictionary<string, string> Empty { get; } = new Dictionary<string, string>();
}
