using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>Writes objects: small ones in one request, large ones in parts at the same time.</summary>
internal sealed class S3Upload(S3Connection connection, string prefix)
{
    /// <summary>Objects above this go in parts: a broken connection then costs a part, not the whole.</summary>
    internal const int PartBytes = 16 * 1024 * 1024;

    private const int PartsAtOnce = 4;
    private const int CheapestClassBytes = 128 * 1024;
    private static readonly TimeSpan AbandonedAge = TimeSpan.FromDays(1);
    private int _isSwept;

    /// <summary>Runs one request within its time limit.</summary>
    internal delegate Task<T> Call<T>(Func<RequestLimit, Task<T>> request);

    private S3Location Location => connection.Location;

    public Task PutAsync(string name, ReadOnlyMemory<byte> content, Call<object?> call, CancellationToken cancellationToken) =>
        content.Length <= 2 * PartBytes ? PutWholeAsync(name, content, call) : PutPartsAsync(name, content, call, cancellationToken);

    private Task PutWholeAsync(string name, ReadOnlyMemory<byte> content, Call<object?> call) => call(async limit =>
    {
        using var body = limit.Watch(content);
        var request = new PutObjectRequest
        {
            BucketName = Location.Bucket,
            Key = name,
            InputStream = body,
            AutoCloseStream = false,
            MD5Digest = Md5(content.Span),
            UseChunkEncoding = Location.Checksum == ChecksumMode.WhenSupported,
        };
        if (ClassFor(content.Length) is { } storageClass)
        {
            request.StorageClass = storageClass;
        }

        if (Location.Lock is { } mode)
        {
            request.ObjectLockMode = ModeOf(mode);
            request.ObjectLockRetainUntilDate = LockedUntil();
        }

        return await connection.Client.PutObjectAsync(request, limit.Token);
    });

    private async Task PutPartsAsync(string name, ReadOnlyMemory<byte> content, Call<object?> call, CancellationToken cancellationToken)
    {
        await SweepAbandonedAsync(call);
        var begin = new InitiateMultipartUploadRequest { BucketName = Location.Bucket, Key = name };
        if (ClassFor(content.Length) is { } storageClass)
        {
            begin.StorageClass = storageClass;
        }

        var upload = ((InitiateMultipartUploadResponse)(await call(async limit => await connection.Client.InitiateMultipartUploadAsync(begin, limit.Token)))!).UploadId;
        try
        {
            var tags = new PartETag[(content.Length + PartBytes - 1) / PartBytes];
            await Parallel.ForEachAsync(
                Enumerable.Range(0, tags.Length), new ParallelOptions { MaxDegreeOfParallelism = PartsAtOnce, CancellationToken = cancellationToken },
                async (index, _) => tags[index] = await PutPartAsync(name, upload, index, content, call));
            await call(async limit => await connection.Client.CompleteMultipartUploadAsync(
                new CompleteMultipartUploadRequest { BucketName = Location.Bucket, Key = name, UploadId = upload, PartETags = [.. tags] }, limit.Token));
        }
        catch
        {
            await AbortAsync(name, upload, call);
            throw;
        }

        // The joined object's tag says nothing on some servers: its length does.
        await call(async limit =>
        {
            var joined = await connection.Client.GetObjectMetadataAsync(new GetObjectMetadataRequest { BucketName = Location.Bucket, Key = name }, limit.Token);
            return joined.ContentLength == content.Length ? joined : throw new IOException($"the server joined {joined.ContentLength} of {content.Length} bytes");
        });
        await LockAsync(name, call);
    }

    private async Task<PartETag> PutPartAsync(string name, string upload, int index, ReadOnlyMemory<byte> content, Call<object?> call)
    {
        var part = content.Slice(index * PartBytes, Math.Min(PartBytes, content.Length - (index * PartBytes)));
        var answer = (UploadPartResponse)(await call(async limit =>
        {
            using var body = limit.Watch(part);
            return await connection.Client.UploadPartAsync(
                new UploadPartRequest
                {
                    BucketName = Location.Bucket,
                    Key = name,
                    UploadId = upload,
                    PartNumber = index + 1,
                    PartSize = part.Length,
                    InputStream = body,
                    MD5Digest = Md5(part.Span),
                    UseChunkEncoding = Location.Checksum == ChecksumMode.WhenSupported,
                },
                limit.Token);
        }))!;
        return new PartETag(answer) { PartNumber = index + 1 };
    }

    /// <summary>Servers pass over the lock's headers when an upload in parts begins, so the joined object is locked afterwards.</summary>
    private async Task LockAsync(string name, Call<object?> call)
    {
        if (Location.Lock is { } mode)
        {
            var request = new PutObjectRetentionRequest
            {
                BucketName = Location.Bucket,
                Key = name,
                Retention = new ObjectLockRetention { Mode = mode == ObjectLock.Compliance ? ObjectLockRetentionMode.Compliance : ObjectLockRetentionMode.Governance, RetainUntilDate = LockedUntil() },
            };
            await call(async limit => await connection.Client.PutObjectRetentionAsync(request, limit.Token));
        }
    }

    private async Task AbortAsync(string name, string upload, Call<object?> call)
    {
        try
        {
            await call(async _ => await connection.Client.AbortMultipartUploadAsync(
                new AbortMultipartUploadRequest { BucketName = Location.Bucket, Key = name, UploadId = upload }, CancellationToken.None));
        }
        catch (Exception fault) when (fault is EngineException or OperationCanceledException)
        {
            // The upload's own fault is thrown. Parts that stay are seen by no reader and are swept a day later.
        }
    }

    /// <summary>A killed writer leaves parts that cost money and that no listing shows. Those of a day ago are nobody's any more.</summary>
    private async Task SweepAbandonedAsync(Call<object?> call)
    {
        if (Interlocked.Exchange(ref _isSwept, 1) != 0)
        {
            return;
        }

        try
        {
            var found = (ListMultipartUploadsResponse)(await call(async limit => await connection.Client.ListMultipartUploadsAsync(
                new ListMultipartUploadsRequest { BucketName = Location.Bucket, Prefix = prefix }, limit.Token)))!;
            var now = TimeProvider.System.GetUtcNow();
            foreach (var old in (found.MultipartUploads ?? []).Where(one => one.Initiated is { } at && now - at.ToUniversalTime() > AbandonedAge))
            {
                await AbortAsync(old.Key, old.UploadId, call);
            }
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Denied or ErrorKind.Unavailable)
        {
            // Not every writer may list uploads and not every server can: then a life-cycle rule has to remove them.
        }
    }

    private string? ClassFor(int length) => length >= CheapestClassBytes ? Location.StorageClass : null;

    private DateTime LockedUntil() => TimeProvider.System.GetUtcNow().AddDays(Location.LockDays).UtcDateTime;

    private static ObjectLockMode ModeOf(ObjectLock mode) => mode == ObjectLock.Compliance ? ObjectLockMode.Compliance : ObjectLockMode.Governance;

#pragma warning disable CA5351 // Content-MD5 guards the way to the server; what is stored has hashes of our own.
    internal static string Md5(ReadOnlySpan<byte> content) => Convert.ToBase64String(MD5.HashData(content));
#pragma warning restore CA5351
}
