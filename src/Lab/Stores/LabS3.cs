using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Stores;

/// <summary>
/// A real S3 server on loopback: Ceph's gateway with a monitor and one object store, in one folder, without systemd or root.
/// On memory it is ready in about a second and forgets everything at its stop; on a file it keeps its data.
/// </summary>
public sealed class LabS3 : IAsyncDisposable
{
    private static readonly string[] s_programs = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "monmaptool", "ceph"];
    private readonly LabFolder _folder;
    private readonly bool _keepsData;
    private readonly List<LocalServer> _servers = [];
    private CephFolder? _ceph;

    /// <summary>Describes a server; touches nothing.</summary>
    /// <param name="folder">The lab.</param>
    /// <param name="keepsData">True for the demo: what is stored outlives a restart, which takes some seconds longer.</param>
    public LabS3(LabFolder folder, bool keepsData = false) => (_folder, _keepsData) = (folder, keepsData);

    /// <summary>True where this machine has the programs that it needs.</summary>
    public static bool IsInstalled => s_programs.All(program => File.Exists(Path.Combine("/usr/bin", program)));

    /// <summary>The gateway's port; known once started.</summary>
    public int Port => Ceph.GatewayPort;

    /// <summary>For <c>endpoint=</c> in a store's URL.</summary>
    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}");

    /// <summary>The same with TLS, by a certificate that only <see cref="AuthorityFile"/> vouches for.</summary>
    public string EncryptedEndpoint => string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{Ceph.EncryptedPort}");

    /// <summary>For <c>ca=</c> in a store's URL.</summary>
    public string AuthorityFile => Ceph.Certificates.Authority;

    /// <summary>The lab's user, in the format of AWS's shared credentials.</summary>
    public string CredentialsFile => Path.Combine(_folder.Keys, "s3.credentials");

    private CephFolder Ceph => _ceph ?? throw new InvalidOperationException("the lab's S3 server has not been started");

    /// <summary>The URL of a store under a prefix of a bucket.</summary>
    public string Url(string bucket, string prefix) => $"s3://{bucket}/{prefix}?endpoint={Endpoint}&credentials={CredentialsFile}";

    /// <summary>Starts it and makes the lab's user.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>, <c>server-start-failed</c>.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _folder.Create();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await LaunchAsync(cancellationToken).ConfigureAwait(false);
                await WriteCredentialsAsync(CredentialsFile, "lab", cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (EngineException fault) when (fault.Code is "port-in-use" or "server-start-failed" && attempt < 3)
            {
                // Ports are chosen anew by a folder that is made anew; one that keeps its data keeps its ports.
                await StopAsync(CancellationToken.None).ConfigureAwait(false);
                if (_keepsData)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Makes a user where it is missing, and writes its keys into a file of AWS's shared credentials.</summary>
    public async Task WriteCredentialsAsync(string file, string user, CancellationToken cancellationToken)
    {
        var access = $"{user}-{_folder.Secret($"s3-{user}.id")[..12]}";
        var secret = _folder.Secret($"s3-{user}.key");
        if (!await Ceph.TryAdminAsync(["user", "info", "--uid", user], cancellationToken).ConfigureAwait(false))
        {
            // The secret stands in this tool's arguments for an instant; it opens a lab that holds nobody's data.
            await Ceph.AdminAsync(["user", "create", "--uid", user, "--display-name", user, "--access-key", access, "--secret-key", secret], cancellationToken).ConfigureAwait(false);
        }

        LocalFolder.WritePrivateFile(file, Encoding.ASCII.GetBytes($"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"));
    }

    /// <summary>Runs a command of <c>radosgw-admin</c>, for quotas and users.</summary>
    public Task AdminAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) => Ceph.AdminAsync(arguments, cancellationToken);

    /// <summary>Makes a bucket of the lab's user where it is missing.</summary>
    public async Task EnsureBucketAsync(string bucket, bool withObjectLock, CancellationToken cancellationToken)
    {
        using var client = CreateClient();
        try
        {
            await client.PutBucketAsync(new PutBucketRequest { BucketName = bucket, ObjectLockEnabledForBucket = withObjectLock }, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonS3Exception fault) when (fault.ErrorCode is "BucketAlreadyOwnedByYou" or "BucketAlreadyExists")
        {
            // It is there from an earlier start.
        }
    }

    /// <summary>A client of the lab's user, for what a store's port does not do.</summary>
    public AmazonS3Client CreateClient()
    {
        var access = $"lab-{_folder.Secret("s3-lab.id")[..12]}";
        return new AmazonS3Client(
            new BasicAWSCredentials(access, _folder.Secret("s3-lab.key")),
            new AmazonS3Config
            {
                ServiceURL = Endpoint,
                ForcePathStyle = true,
                AuthenticationRegion = "us-east-1",
                RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
                ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            });
    }

    /// <summary>Stops gateway, store and monitor, in this order.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var server in Enumerable.Reverse(_servers))
        {
            // What only lives in memory needs no orderly end, which takes seconds.
            await (_keepsData ? server.StopAsync(cancellationToken) : server.KillAsync(cancellationToken)).ConfigureAwait(false);
        }

        _servers.Clear();
    }

    /// <summary>Stops it where it runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    private async Task LaunchAsync(CancellationToken cancellationToken)
    {
        _ceph = await CephFolder.PrepareAsync(_folder.Combine("s3"), _keepsData, _folder.Registry, cancellationToken).ConfigureAwait(false);
        await LaunchAsync("ceph-mon", "the lab's S3 monitor", ["-f", "-i", "a"], token => LabSsh.AnswersAsync(_ceph.MonitorPort, token), cancellationToken).ConfigureAwait(false);
        var id = await _ceph.EnsureStoreAsync(cancellationToken).ConfigureAwait(false);
        // The gateway waits by itself until the store is up.
        await LaunchAsync("ceph-osd", "the lab's S3 store", ["-f", "-i", id], _ => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
        await LaunchAsync("radosgw", "the lab's S3 gateway", ["-f", "-n", "client.rgw"], token => LabSsh.AnswersAsync(_ceph.GatewayPort, token), cancellationToken).ConfigureAwait(false);
    }

    private async Task LaunchAsync(string program, string purpose, IReadOnlyList<string> arguments, Func<CancellationToken, Task<bool>> isReady, CancellationToken cancellationToken)
    {
        var server = new LocalServer(
            new LocalServerOptions
            {
                Name = "lab-" + program,
                Purpose = purpose,
                Command = new ToolCommand(program, [.. arguments, "-c", Ceph.Configuration]) { Purpose = purpose },
                LogFile = Path.Combine(Ceph.Logs, program + ".out"),
                StartTimeout = TimeSpan.FromSeconds(60),
                StopPatience = TimeSpan.FromSeconds(20),
            },
            _folder.Registry);
        _servers.Add(server);
        await server.StartAsync(isReady, cancellationToken).ConfigureAwait(false);
    }
}
