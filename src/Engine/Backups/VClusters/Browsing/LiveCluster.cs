using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;

/// <summary>
/// A virtual cluster as its API server has it now: listed once, as a backup lists it, so that equal objects have equal
/// digests. Documents are asked for again one by one; it changes nothing.
/// </summary>
public sealed class LiveCluster : IClusterContent, IDisposable
{
    private readonly KubeApi _api;
    private readonly KubeCatalogue _catalogue;

    private LiveCluster(KubeApi api, KubeCatalogue catalogue, DateTimeOffset at, IReadOnlyList<CapturedObject> objects, IReadOnlyList<UnreadPart> unread)
    {
        (_api, _catalogue, At, Objects, Unread) = (api, catalogue, at, objects, unread);
    }

    /// <summary>The API server's address.</summary>
    public string Address => _api.Address;

    /// <inheritdoc/>
    public DateTimeOffset At { get; }

    /// <inheritdoc/>
    public IReadOnlyList<CapturedObject> Objects { get; }

    /// <inheritdoc/>
    public IReadOnlyList<UnreadPart> Unread { get; }

    /// <summary>Lists the cluster.</summary>
    /// <param name="settings">How it is reached.</param>
    /// <param name="time">The clock.</param>
    /// <param name="listed">Told how many objects have been listed.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="EngineException"><c>vcluster-missing</c>, <c>api-unreachable</c>.</exception>
    internal static async Task<LiveCluster> ReadAsync(VClusterSettings settings, TimeProvider time, Action<int>? listed, CancellationToken cancellationToken)
    {
        using var access = await VClusterAccess.OpenAsync(settings, time, cancellationToken).ConfigureAwait(false);
        var api = await access.OpenVirtualAsync(settings, time, cancellationToken).ConfigureAwait(false);
        try
        {
            var at = time.GetUtcNow();
            using var capture = await ClusterCapture.ReadAsync(api, null, listed, cancellationToken).ConfigureAwait(false);
            return new LiveCluster(
                api, capture.Catalogue, at, [.. capture.Kinds.SelectMany(kind => kind.Objects)],
                [
                    .. capture.Catalogue.Problems.Select(group => UnreadGroup(KubeObjectKey.GroupOf(group.Key), group.Value, capture)),
                    .. capture.Kinds.Where(kind => kind.Problem is not null).Select(kind => new UnreadPart(kind.Resource.Group, kind.Resource.Kind, kind.Problem!)),
                ]);
        }
        catch
        {
            api.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<JsonObject?> ReadAsync(CapturedObject one, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(one);
        if (_catalogue.Serving(one.ApiVersion, one.Kind) is not { } resource)
        {
            return null;
        }

        var found = await _api.FindAsync(resource.PathOf(one.Namespace, one.Name), cancellationToken).ConfigureAwait(false);
        return found is null ? null : ObjectCleaning.Clean(found);
    }

    /// <summary>The revision of its store now; null where that counts none.</summary>
    internal Task<long?> RevisionAsync(CancellationToken cancellationToken) => KubeListing.RevisionAsync(_api, cancellationToken);

    /// <summary>Why a kind could not be listed; null where it was.</summary>
    internal string? Unlisted(string group, string kind) => Unread.FirstOrDefault(part => part.Covers(new KubeObjectKey(group, kind, "", "")))?.Why;

    private static UnreadPart UnreadGroup(string group, string why, ClusterCapture capture) =>
        new(group, null, why) { Read = [.. capture.Kinds.Where(kind => kind.Problem is null && kind.Resource.Group == group).Select(kind => kind.Resource.Kind)] };

    /// <inheritdoc/>
    public void Dispose() => _api.Dispose();
}
