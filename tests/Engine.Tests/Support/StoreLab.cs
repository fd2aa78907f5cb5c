using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Stores;

[assembly: AssemblyFixture(typeof(StoreLab))]

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// The S3 server and the remote site of all tests of this assembly, each started by the first test that asks for it. Tests
/// keep apart by prefixes and directories of their own.
/// </summary>
public sealed class StoreLab : IAsyncDisposable
{
    /// <summary>A bucket that is there.</summary>
    public const string Bucket = "tests";

    /// <summary>A bucket that was made with object lock.</summary>
    public const string LockedBucket = "locked";

    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly SemaphoreSlim _making = new(1, 1);
    private ServerFolder? _folder;
    private LabS3? _s3;
    private LabSsh? _ssh;

    /// <summary>The lab's folder, with its key files; known once a server has been asked for.</summary>
    public LabFolder Folder { get; private set; } = null!;

    public async Task<LabS3> GetS3Async(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_s3 is null)
            {
                var server = new LabS3(await EnsureFolderAsync());
                await server.StartAsync(cancellationToken);
                _s3 = server;
                await server.EnsureBucketAsync(Bucket, withObjectLock: false, cancellationToken);
                await server.EnsureBucketAsync(LockedBucket, withObjectLock: true, cancellationToken);
            }

            return _s3;
        }
        finally
        {
            _starting.Release();
        }
    }

    public async Task<LabSsh> GetSshAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_ssh is null)
            {
                var server = new LabSsh(await EnsureFolderAsync());
                await server.StartAsync(cancellationToken);
                _ssh = server;
            }

            return _ssh;
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>A server of the test's own, beside the shared one.</summary>
    public async Task<LabSsh> StartSshAsync(LabSshOptions options, CancellationToken cancellationToken)
    {
        await GetSshAsync(cancellationToken);
        var server = new LabSsh(Folder, options);
        await server.StartAsync(cancellationToken);
        return server;
    }

    /// <summary>The URL of a new, empty store: <c>file</c>, <c>s3</c> or <c>sftp</c>.</summary>
    public async Task<string> NewStoreAsync(string kind, CancellationToken cancellationToken)
    {
        var name = Guid.NewGuid().ToString("N");
        return kind switch
        {
            "s3" => (await GetS3Async(cancellationToken)).Url(Bucket, name),
            "sftp" => (await GetSshAsync(cancellationToken)).Url(await NewFolderAsync(name)),
            _ => new StoreUrl(await NewFolderAsync(name)).ToString(),
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (_s3 is not null)
        {
            await _s3.DisposeAsync();
        }

        if (_ssh is not null)
        {
            await _ssh.DisposeAsync();
        }

        if (_folder is not null)
        {
            await _folder.DisposeAsync();
        }

        _making.Dispose();
        _starting.Dispose();
    }

    /// <summary>A path below the lab's folder that does not exist yet.</summary>
    public async Task<string> NewFolderAsync(string? name = null)
    {
        await EnsureFolderAsync();
        return _folder!.Combine("store-" + (name ?? Guid.NewGuid().ToString("N")));
    }

    private async Task<LabFolder> EnsureFolderAsync()
    {
        // Also for those who want a folder only, beside one who starts a server.
        await _making.WaitAsync();
        try
        {
            if (_folder is null)
            {
                await ServerFolder.RemoveAbandonedAsync();
                var folder = new ServerFolder();
                Folder = new LabFolder(folder.Combine("lab"));
                folder.Hold();
                _folder = folder;
            }

            return Folder;
        }
        finally
        {
            _making.Release();
        }
    }
}
