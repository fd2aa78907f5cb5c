using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// What all workspaces of a tier share in this process: the connections to its store, its bandwidth and its way of trying
/// again. Stores that it opens leave the connections open when they are disposed.
/// </summary>
internal sealed class TierStores : IDisposable
{
    private readonly StoreConnection _connection;
    private readonly TokenBucket? _upload;
    private readonly TokenBucket? _download;
    private readonly RetryPolicy? _retry;
    private readonly SharedPatience _patience = new();
    private readonly TimeProvider _time;

    public TierStores(StorageTier tier, TimeProvider time)
    {
        var url = StoreUrl.Parse(tier.Store);
        _time = time;
        _connection = StoreConnection.To(url, time);
        _upload = BucketOf(tier.UploadMbitPerSecond);
        _download = BucketOf(tier.DownloadMbitPerSecond);
        _retry = tier.RetrySeconds switch
        {
            0 => null,
            { } seconds => RetryPolicy.Default with { TotalTime = TimeSpan.FromSeconds(seconds) },
            null => url.LocalFolder is null ? RetryPolicy.Default : null,
        };
    }

    /// <param name="workspace">Whose repository, or null for the whole tier.</param>
    /// <param name="triesAgain">False for a look that shall only tell whether the tier answers now.</param>
    public IObjectStore Open(string? workspace, bool triesAgain)
    {
        var store = _connection.Open(workspace);
        if (_upload is not null || _download is not null)
        {
            store = new ThrottledStore(store, _upload, _download);
        }

        return _retry is null || !triesAgain ? store : new RetryingStore(store, _retry, _time, shared: _patience);
    }

    public void Dispose() => _connection.Dispose();

    private TokenBucket? BucketOf(int? megabits) => megabits is { } rate ? new TokenBucket(rate * 125_000.0, _time) : null;
}
