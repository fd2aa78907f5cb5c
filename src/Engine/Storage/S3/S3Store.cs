using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Amazon.S3;
using Amazon.S3.Model;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>
/// A store under a prefix of an S3 bucket. A put is one request, or for large objects parts and one request that joins them;
/// either way the server shows the object whole or not at all. Content-MD5 goes with every byte, since some servers pass over
/// newer checksums. The client's own retries are off: a decorator does that for all stores alike.
/// </summary>
public sealed class S3Store : IObjectStore, IResumableListing, IErasableStore
{
    private readonly S3Connection _connection;
    private readonly IDisposable? _owned;
    private readonly string _prefix;
    private readonly S3Upload _upload;

    internal S3Store(S3Connection connection, string prefix, string url, IDisposable? owned)
    {
        (_connection, Url, _owned) = (connection, url, owned);
        _prefix = prefix.Length == 0 ? "" : prefix + "/";
        _upload = new S3Upload(connection, _prefix);
    }

    /// <inheritdoc/>
    public string Url { get; }

    /// <inheritdoc/>
    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var name = NameOf(key);
        if (_connection.Location.Lock is not null && !_connection.IsLockProven)
        {
            await CallAsync(key, token => S3ObjectLockProbe.ProveAsync(_connection, _prefix, Url, token), cancellationToken);
        }

        await _upload.PutAsync(name, content, call => LimitedAsync(key, call, cancellationToken), cancellationToken);
        _connection.IsBucketProven = true;
    }

    /// <inheritdoc/>
    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (buffer.IsEmpty)
        {
            // No range is empty; all that is left to tell is whether the object exists.
            _ = await StatAsync(key, cancellationToken) ?? throw StoreFaults.NotFound(Url, key);
            return;
        }

        var request = new GetObjectRequest
        {
            BucketName = _connection.Location.Bucket,
            Key = NameOf(key),
            ByteRange = new ByteRange(offset, offset + buffer.Length - 1),
        };
        using var response = await CallAsync(key, token => _connection.Client.GetObjectAsync(request, token), cancellationToken);
        if (response.ContentRange?.StartsWith(string.Create(CultureInfo.InvariantCulture, $"bytes {offset}-"), StringComparison.Ordinal) is not true)
        {
            throw new EngineException("s3-no-ranges", ErrorKind.Unsupported, $"{Url} does not answer with the part of an object that was asked for", "use a server that supports range requests");
        }

        if (response.ContentLength < buffer.Length)
        {
            throw StoreFaults.TooShort(Url, key);
        }

        await using var stream = Guard(response, key);
        await stream.ReadExactlyAsync(buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        var request = new GetObjectRequest { BucketName = _connection.Location.Bucket, Key = NameOf(key) };
        var response = await CallAsync(key, token => _connection.Client.GetObjectAsync(request, token), cancellationToken);
        return Guard(response, key);
    }

    /// <inheritdoc/>
    public async Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = _connection.Location.Bucket, Key = NameOf(key) };
        var found = await CallAsync<GetObjectMetadataResponse?>(key, async token =>
        {
            try
            {
                return await _connection.Client.GetObjectMetadataAsync(request, token);
            }
            catch (AmazonS3Exception fault) when (S3Faults.IsMissing(fault) || (!_connection.IsBucketProven && fault.StatusCode == HttpStatusCode.BadRequest))
            {
                // The answer to a HEAD has no words: a missing bucket is 404 too, on some servers 400. A listing tells.
                await ProveBucketAsync(token);
                if (!S3Faults.IsMissing(fault))
                {
                    throw;
                }

                return null;
            }
        }, cancellationToken);
        if (found is null)
        {
            return null;
        }

        _connection.IsBucketProven = true;
        return new ObjectInfo(key, found.ContentLength, AsUtc(found.LastModified));
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => ListAfterAsync(prefix, null, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectInfo> ListAfterAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _connection.Location.Bucket, Prefix = _prefix + prefix, StartAfter = after is null ? null : _prefix + after };
        ListObjectsV2Response page;
        do
        {
            page = await CallAsync(prefix.Length == 0 ? "the listing" : prefix, token => _connection.Client.ListObjectsV2Async(request, token), cancellationToken);
            _connection.IsBucketProven = true;
            foreach (var found in page.S3Objects ?? [])
            {
                var key = found.Key[_prefix.Length..];
                // Names that end with a slash are folders that other programs pretend; the canary of object lock is in tmp/.
                if (!key.EndsWith('/') && key.Length > 0 && !ObjectKey.IsTemporary(key))
                {
                    yield return new ObjectInfo(key, found.Size ?? 0, AsUtc(found.LastModified));
                }
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated is true);
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = _connection.Location.Bucket, Key = NameOf(key) };
        await CallAsync<DeleteObjectResponse?>(key, async token =>
        {
            try
            {
                return await _connection.Client.DeleteObjectAsync(request, token);
            }
            catch (AmazonS3Exception fault) when (S3Faults.IsMissing(fault))
            {
                // Some servers say that nothing was there; the port does not.
                return null;
            }
        }, cancellationToken);
    }

    /// <inheritdoc/>
    async Task<int> IErasableStore.EraseAsync(string prefix, CancellationToken cancellationToken)
    {
        // Without any versioning a listing shows each object as the version "null"; what was deleted once is gone there.
        var erased = 0;
        await foreach (var (name, version) in VersionsAsync(prefix, cancellationToken))
        {
            var request = new DeleteObjectRequest { BucketName = _connection.Location.Bucket, Key = name, VersionId = version };
            try
            {
                await CallAsync(name[_prefix.Length..], token => _connection.Client.DeleteObjectAsync(request, token), cancellationToken);
            }
            catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
            {
                throw Left(name, await LockedUntilAsync(name, version, cancellationToken), refusal);
            }

            erased++;
        }

        await foreach (var (name, _) in VersionsAsync(prefix, cancellationToken))
        {
            throw Left(name, null, null);
        }

        return erased;
    }

    private async IAsyncEnumerable<(string Name, string? Version)> VersionsAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListVersionsRequest { BucketName = _connection.Location.Bucket, Prefix = _prefix + prefix };
        ListVersionsResponse? page;
        do
        {
            try
            {
                page = await CallAsync(prefix, token => _connection.Client.ListVersionsAsync(request, token), cancellationToken);
            }
            catch (EngineException unknown) when (unknown.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotImplemented })
            {
                page = null;
            }
            catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
            {
                throw new EngineException("versions-not-listed", ErrorKind.Denied, $"{Url} does not show whether it keeps former versions of what was deleted, so that nothing is proven",
                    "let the prune role's key list and delete versions (s3:ListBucketVersions, s3:DeleteObjectVersion), then ask again", refusal);
            }

            if (page is null)
            {
                // A server that knows no versions keeps none.
                await foreach (var found in ListAsync(prefix, cancellationToken))
                {
                    yield return (_prefix + found.Key, null);
                }

                yield break;
            }

            foreach (var found in page.Versions ?? [])
            {
                yield return (found.Key, found.VersionId);
            }

            (request.KeyMarker, request.VersionIdMarker) = (page.NextKeyMarker, page.NextVersionIdMarker);
        }
        while (page.IsTruncated is true);
    }

    private EngineException Left(string name, DateTimeOffset? lockedUntil, Exception? inner) => new(
        "not-erased", ErrorKind.Denied, $"{Url} still holds a version of {name[_prefix.Length..]}"
            + (lockedUntil is { } until ? string.Create(CultureInfo.InvariantCulture, $", which its object lock keeps until {until.UtcDateTime:yyyy-MM-dd HH:mm} UTC") : ""),
        lockedUntil is null ? "let the prune role's key delete versions (s3:DeleteObjectVersion), then ask again" : "ask again after that; what can be deleted before is deleted", inner);

    /// <summary>Null where it is not locked, or nobody may see it.</summary>
    private async Task<DateTimeOffset?> LockedUntilAsync(string name, string? version, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetObjectRetentionRequest { BucketName = _connection.Location.Bucket, Key = name, VersionId = version };
            var found = await CallAsync(name[_prefix.Length..], token => _connection.Client.GetObjectRetentionAsync(request, token), cancellationToken);
            return found.Retention?.RetainUntilDate is { } until ? AsUtc(until) : null;
        }
        catch (EngineException)
        {
            // It only explains the refusal, which stands.
            return null;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _owned?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static DateTimeOffset AsUtc(DateTime? time) => time is { } at ? new DateTimeOffset(at.ToUniversalTime()) : default;

    private async Task ProveBucketAsync(CancellationToken cancellationToken)
    {
        if (!_connection.IsBucketProven)
        {
            var request = new ListObjectsV2Request { BucketName = _connection.Location.Bucket, Prefix = _prefix, MaxKeys = 1 };
            await _connection.Client.ListObjectsV2Async(request, cancellationToken);
            _connection.IsBucketProven = true;
        }
    }

    private StoreReadStream Guard(GetObjectResponse response, string key) => new(
        response.ResponseStream, _connection.Location.Timeout, response,
        fault => fault is TimeoutException ? S3Faults.TimedOut(Url, fault) : S3Faults.From(fault, Url, key, _connection.Location));

    private Task<T> CallAsync<T>(string key, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken) =>
        LimitedAsync(key, limit => call(limit.Token), cancellationToken);

    /// <summary>One request with its time limit; what it throws is the port's.</summary>
    private async Task<T> LimitedAsync<T>(string key, Func<RequestLimit, Task<T>> call, CancellationToken cancellationToken)
    {
        using var limit = new RequestLimit(_connection.Location.Timeout, cancellationToken);
        try
        {
            return await call(limit);
        }
        catch (OperationCanceledException fault) when (!cancellationToken.IsCancellationRequested)
        {
            throw S3Faults.TimedOut(Url, fault);
        }
        catch (Exception fault) when (S3Faults.From(fault, Url, key, _connection.Location) is { } said)
        {
            throw said;
        }
    }

    private string NameOf(string key) => _prefix + ObjectKey.Check(key);
}
