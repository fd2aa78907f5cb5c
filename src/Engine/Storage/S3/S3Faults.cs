using System.Globalization;
using System.Net;
using System.Security.Authentication;
using Amazon.Runtime;
using Amazon.S3;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>Turns what an S3 server, or the way to it, says into what a person can act on.</summary>
internal static class S3Faults
{
    private static readonly string[] FullCodes = ["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull", "EntityTooLarge"];
    private static readonly string[] TransientCodes =
    [
        "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "OperationAborted", "Throttling", "ThrottlingException", "TooManyRequests", "BadDigest", "IncompleteBody",
    ];

    public static bool IsMissing(AmazonS3Exception fault) => fault.StatusCode == HttpStatusCode.NotFound && fault.ErrorCode is not "NoSuchBucket";

    /// <summary>The port's fault, or null for cancellation and bugs.</summary>
    public static EngineException? From(Exception fault, string url, string key, S3Location location) => fault switch
    {
        EngineException => null,
        AmazonS3Exception s3 => FromServer(s3, url, key, location),
        AmazonServiceException { InnerException: { } inner } => From(inner, url, key, location) ?? Unreachable(url, fault),
        AmazonClientException => Unreachable(url, fault),
        HttpRequestException { InnerException: AuthenticationException } => new EngineException(
            "s3-certificate", ErrorKind.Denied, $"the certificate of {url} is not trusted: {fault.InnerException.Message}",
            "name the authority that signed it with ca=FILE in the store's URL", fault),
        HttpRequestException or IOException or TimeoutException or WebException => Unreachable(url, fault),
        _ => null,
    };

    public static EngineException TimedOut(string url, Exception fault) => Transient("store-unreachable", $"{url} did not answer in time", fault);

    public static EngineException MissingBucket(string url, S3Location location, Exception? fault) => new(
        "bucket-missing", ErrorKind.NotFound, $"there is no bucket '{location.Bucket}' for {url}",
        "make the bucket first, or correct its name in the store's URL; it is not made by itself, since a misspelled name would be", fault);

    private static EngineException FromServer(AmazonS3Exception fault, string url, string key, S3Location location)
    {
        var code = fault.ErrorCode ?? "";
        if (code == "NoSuchBucket")
        {
            return MissingBucket(url, location, fault);
        }

        if (FullCodes.Contains(code) || fault.StatusCode == HttpStatusCode.InsufficientStorage)
        {
            return new EngineException("store-full", ErrorKind.OutOfSpace, $"no space is left in {url} for {key} ({code})",
                "raise the quota or free space, then run the backup again; what was stored is used again", fault);
        }

        switch (fault.StatusCode)
        {
            case HttpStatusCode.NotFound:
                return StoreFaults.NotFound(url, key, fault);
            case HttpStatusCode.RequestedRangeNotSatisfiable:
                return StoreFaults.TooShort(url, key);
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                return Denied(fault, code, url, key);
            case HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect:
                return new EngineException("s3-wrong-region", ErrorKind.Input, $"{url} is in another region", "name the bucket's region with region=… in the store's URL", fault);
        }

        if (code is "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException")
        {
            return new EngineException("s3-wrong-region", ErrorKind.Input, $"{url} is in another region: {fault.Message}", "name the bucket's region with region=… in the store's URL", fault);
        }

        if (TransientCodes.Contains(code) || (int)fault.StatusCode is 408 or 429 or >= 500)
        {
            return Transient("store-failed", $"{url} answers {(int)fault.StatusCode} {code} for {key}", fault, (int)fault.StatusCode);
        }

        return fault.InnerException is { } inner && From(inner, url, key, location) is { } said ? said : new EngineException(
            "store-failed", ErrorKind.Unavailable, $"{url} refuses {key}: {(int)fault.StatusCode} {code} {fault.Message}",
            "look at the server's log; options of the store's URL (pathStyle, checksum, storageClass, region) may not suit it", fault)
        {
            // Without any status nothing came back: a connection that broke.
            IsTransient = fault.StatusCode == 0,
        };
    }

    private static EngineException Denied(AmazonS3Exception fault, string code, string url, string key) => code switch
    {
        "InvalidAccessKeyId" => new EngineException("s3-wrong-key", ErrorKind.Denied, $"{url} does not know the access key",
            "check AWS_ACCESS_KEY_ID, or the file that credentials=FILE names", fault),
        "SignatureDoesNotMatch" => new EngineException("s3-wrong-key", ErrorKind.Denied, $"{url} does not accept the secret key",
            "check AWS_SECRET_ACCESS_KEY, or the file that credentials=FILE names", fault),
        "ExpiredToken" or "InvalidToken" => new EngineException("s3-wrong-key", ErrorKind.Denied, $"the session token for {url} is not valid any more", "get a new one", fault),
        "RequestTimeTooSkewed" => new EngineException("s3-clock", ErrorKind.Unavailable, $"the clocks of this machine and of {url} differ too much", "set this machine's clock", fault),
        "InvalidObjectState" => new EngineException("s3-frozen", ErrorKind.Unavailable, $"{key} in {url} has been moved to an archive that cannot be read at once",
            "restore it there first, and take the life-cycle rule away that moves this store's objects", fault),
        _ => new EngineException("store-denied", ErrorKind.Denied, $"{url} refuses access to {key} ({(code.Length == 0 ? "403" : code)})",
            "check the access key, and that its policy allows to list the bucket and to get, put and delete objects in it", fault),
    };

    private static EngineException Unreachable(string url, Exception fault) =>
        Transient("store-unreachable", $"{url} does not work: {Innermost(fault).Message.TrimEnd('.')}", fault);

    private static EngineException Transient(string code, string message, Exception fault, int? status = null) =>
        new(code, ErrorKind.Unavailable, message, "check the network and the server, then run the command again", fault)
        {
            IsTransient = true,
            Context = status is { } known ? new Dictionary<string, string> { [StoreFaults.Status] = known.ToString(CultureInfo.InvariantCulture) } : new Dictionary<string, string>(),
        };

    private static Exception Innermost(Exception fault)
    {
        while (fault.InnerException is { } inner)
        {
            fault = inner;
        }

        return fault;
    }
}
