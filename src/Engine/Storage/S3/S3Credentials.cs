using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>Where a store's access key comes from: a named file or profile, the AWS variables, the usual files, for AWS its own services.</summary>
internal static class S3Credentials
{
    private const string Hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file in the format of ~/.aws/credentials with credentials=FILE in the store's URL";

    /// <exception cref="EngineException">Kind Denied: there are none, or the file that is named holds none.</exception>
    public static AWSCredentials Find(S3Location location)
    {
        if (location.CredentialsFile is not null || location.Profile is not null)
        {
            return FromFile(location.CredentialsFile, location.Profile ?? "default") ?? throw Missing(
                location.CredentialsFile is { } path ? $"{path} holds no profile '{location.Profile ?? "default"}'" : $"there is no profile '{location.Profile}'");
        }

        if (Environment.GetEnvironmentVariable("AWS_ACCESS_KEY_ID") is { Length: > 0 } id
            && Environment.GetEnvironmentVariable("AWS_SECRET_ACCESS_KEY") is { Length: > 0 } secret)
        {
            return Environment.GetEnvironmentVariable("AWS_SESSION_TOKEN") is { Length: > 0 } token ? new SessionAWSCredentials(id, secret, token) : new BasicAWSCredentials(id, secret);
        }

        if (FromFile(null, Environment.GetEnvironmentVariable("AWS_PROFILE") is { Length: > 0 } named ? named : "default") is { } usual)
        {
            return usual;
        }

        if (location.Endpoint is not null)
        {
            // AWS's instance services know nothing of another server, and asking them takes long where there are none.
            throw Missing($"there are no credentials for {location.Display("")}");
        }

        try
        {
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        }
        catch (AmazonClientException fault)
        {
            throw Missing($"there are no credentials for {location.Display("")}", fault);
        }
    }

    private static AWSCredentials? FromFile(string? path, string profile)
    {
        try
        {
            if (path is not null && !File.Exists(path))
            {
                throw Missing($"there is no file {path}");
            }

            var file = path is null ? new SharedCredentialsFile() : new SharedCredentialsFile(path);
            return file.TryGetProfile(profile, out var found) && AWSCredentialsFactory.TryGetAWSCredentials(found, file, out var credentials) ? credentials : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException or AmazonClientException)
        {
            throw Missing($"{path ?? "the AWS credentials file"} cannot be read", fault);
        }
    }

    private static EngineException Missing(string what, Exception? fault = null) => new("s3-credentials-missing", ErrorKind.Denied, what, Hint, fault);
}
