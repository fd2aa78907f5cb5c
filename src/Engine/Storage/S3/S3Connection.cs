using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>One client, with its HTTP connections, for all stores in one bucket. Credentials are read at the first call.</summary>
internal sealed class S3Connection(S3Location location) : IDisposable
{
    // S3 asks AWS's own servers for nothing that retries could not repeat, but a retry in two places multiplies.
    private const int NoRetry = 0;
    private readonly Lock _gate = new();
    private AmazonS3Client? _client;
    private PrivateHttpClients? _http;
    private bool _isClosed;

    public S3Location Location => location;

    /// <summary>Set once the bucket has answered: a HEAD that finds nothing cannot tell a missing object from a missing bucket.</summary>
    public bool IsBucketProven { get; set; }

    /// <summary>Set once a canary has shown that object lock works here.</summary>
    public bool IsLockProven { get; set; }

    /// <exception cref="EngineException">No credentials are found, or the certificates cannot be read.</exception>
    public AmazonS3Client Client
    {
        get
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isClosed, this);
                return _client ??= Create();
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            _client?.Dispose();
            _http?.Dispose();
        }
    }

    private AmazonS3Client Create()
    {
        var credentials = S3Credentials.Find(location);
        _http = new PrivateHttpClients(location);
        var region = location.Region ?? Environment.GetEnvironmentVariable("AWS_REGION") ?? Environment.GetEnvironmentVariable("AWS_DEFAULT_REGION") ?? "us-east-1";
        var config = new AmazonS3Config
        {
            ForcePathStyle = location.PathStyle,
            MaxErrorRetry = NoRetry,
            RequestChecksumCalculation = location.Checksum == ChecksumMode.WhenSupported ? RequestChecksumCalculation.WHEN_SUPPORTED : RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = location.Checksum == ChecksumMode.WhenSupported ? ResponseChecksumValidation.WHEN_SUPPORTED : ResponseChecksumValidation.WHEN_REQUIRED,
            HttpClientFactory = _http,
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
            DisableLogging = true,
            BufferSize = 128 * 1024,
        };
        if (location.Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.GetLeftPart(UriPartial.Authority);
            config.AuthenticationRegion = region;
        }
        else
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        return new AmazonS3Client(credentials, config);
    }

    /// <summary>HTTP connections of this store's own: its certificates, its time-outs, closed with it.</summary>
    private sealed class PrivateHttpClients(S3Location location) : HttpClientFactory, IDisposable
    {
        private readonly SocketsHttpHandler _handler = CreateHandler(location);

        public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

        public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => true;

        public override HttpClient CreateHttpClient(IClientConfig clientConfig) =>
            new(_handler, disposeHandler: false) { Timeout = System.Threading.Timeout.InfiniteTimeSpan };

        public void Dispose() => _handler.Dispose();

        private static SocketsHttpHandler CreateHandler(S3Location location)
        {
            var handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                ConnectTimeout = location.ConnectTimeout,
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
                PooledConnectionLifetime = TimeSpan.FromMinutes(10),
                UseProxy = location.Endpoint is not { IsLoopback: true },
            };
            if (location.CaFile is { } file)
            {
                handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = TrustOnly(file) };
            }

            return handler;
        }

        private static X509ChainPolicy TrustOnly(string file)
        {
            var trusted = new X509Certificate2Collection();
            try
            {
                trusted.ImportFromPemFile(file);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
            {
                throw new EngineException("s3-ca-unreadable", ErrorKind.Input, $"{file} cannot be read as certificates: {fault.Message}", "ca in the store's URL names a PEM file", fault);
            }

            if (trusted.Count == 0)
            {
                throw new EngineException("s3-ca-unreadable", ErrorKind.Input, $"{file} holds no certificate", "ca in the store's URL names a PEM file with the authority's certificate");
            }

            return TrustedRoots.Only(trusted);
        }
    }
}
