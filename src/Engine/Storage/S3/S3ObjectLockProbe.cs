using System.Net;
using Amazon.S3;
using Amazon.S3.Model;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>
/// Believes in a server's object lock only when it says that it is on AND an object that was put with a lock shows it: some
/// servers take the headers and do nothing, and then nothing would be protected that the operators believe to be.
/// </summary>
internal static class S3ObjectLockProbe
{
    private static readonly TimeSpan CanaryLock = TimeSpan.FromMinutes(1);

    /// <exception cref="EngineException">Code <c>s3-no-object-lock</c>: objects would not be locked here.</exception>
    public static async Task<object?> ProveAsync(S3Connection connection, string prefix, string url, CancellationToken ct)
    {
        var bucket = connection.Location.Bucket;
        try
        {
            var configured = await connection.Client.GetObjectLockConfigurationAsync(new GetObjectLockConfigurationRequest { BucketName = bucket }, ct);
            if (configured.ObjectLockConfiguration?.ObjectLockEnabled != ObjectLockEnabled.Enabled)
            {
                throw Missing(url, "the bucket was made without it", null);
            }
        }
        catch (AmazonS3Exception fault) when (fault.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest or HttpStatusCode.Conflict
            && fault.ErrorCode is not "NoSuchBucket")
        {
            throw Missing(url, fault.ErrorCode ?? fault.StatusCode.ToString(), fault);
        }

        var canary = $"{prefix}{ObjectKey.TemporaryFolder}/object-lock-{Guid.NewGuid():N}";
        await connection.Client.PutObjectAsync(
            new PutObjectRequest
            {
                BucketName = bucket,
                Key = canary,
                ContentBody = "canary",
                MD5Digest = S3Upload.Md5("canary"u8),
                UseChunkEncoding = false,
                ObjectLockMode = ObjectLockMode.Governance,
                ObjectLockRetainUntilDate = (TimeProvider.System.GetUtcNow() + CanaryLock).UtcDateTime,
            },
            ct);
        var shown = await connection.Client.GetObjectMetadataAsync(new GetObjectMetadataRequest { BucketName = bucket, Key = canary }, ct);
        // Leaves a marker over a version that is locked for a minute; a life-cycle rule for old versions takes both.
        await connection.Client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = bucket, Key = canary }, ct);
        if (shown.ObjectLockMode != ObjectLockMode.Governance)
        {
            throw Missing(url, "it took the lock's headers and did not lock", null);
        }

        connection.IsLockProven = true;
        return null;
    }

    private static EngineException Missing(string url, string why, Exception? fault) => new(
        "s3-no-object-lock", ErrorKind.Unsupported, $"{url} does not lock objects: {why}",
        "make the bucket with object lock enabled, or leave objectLock out of the store's URL; nothing was written", fault);
}
