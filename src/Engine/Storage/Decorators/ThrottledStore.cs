namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>
/// Keeps a store's traffic below a rate that all who use these buckets share. An object is paid for before it is sent, so
/// that the rate holds over some objects; within one object the line's own speed shows.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="upload">What may be sent; without bound where null.</param>
/// <param name="download">What may be fetched; without bound where null.</param>
public sealed class ThrottledStore(IObjectStore inner, TokenBucket? upload, TokenBucket? download) : IObjectStore, IStoreCapacity, IResumableListing, IErasableStore, IListingProgress
{
    /// <inheritdoc/>
    public Action? OnEntry
    {
        get => (inner as IListingProgress)?.OnEntry;
        set
        {
            if (inner is IListingProgress listing)
            {
                listing.OnEntry = value;
            }
        }
    }

    /// <inheritdoc/>
    public string Url => inner.Url;

    /// <inheritdoc/>
    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (upload is not null)
        {
            await upload.TakeAsync(content.Length, cancellationToken);
        }

        await inner.PutAsync(key, content, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (download is not null)
        {
            await download.TakeAsync(buffer.Length, cancellationToken);
        }

        await inner.ReadAsync(key, offset, buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        var stream = await inner.OpenReadAsync(key, cancellationToken);
        return download is null ? stream : new ThrottledStream(stream, download);
    }

    /// <inheritdoc/>
    public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectInfo> ListAfterAsync(string prefix, string? after, CancellationToken cancellationToken) =>
        inner is IResumableListing resumable ? resumable.ListAfterAsync(prefix, after, cancellationToken) : inner.ListAsync(prefix, cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

    /// <inheritdoc/>
    Task<int> IErasableStore.EraseAsync(string prefix, CancellationToken cancellationToken) => StoreErasure.EraseAsync(inner, prefix, cancellationToken);

    /// <inheritdoc/>
    public Task<StoreCapacity?> CapacityAsync(CancellationToken cancellationToken) =>
        inner is IStoreCapacity capacity ? capacity.CapacityAsync(cancellationToken) : Task.FromResult<StoreCapacity?>(null);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class ThrottledStream(Stream inner, TokenBucket bucket) : ForwardReadStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            await bucket.TakeAsync(read, cancellationToken);
            return read;
        }

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            await base.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
