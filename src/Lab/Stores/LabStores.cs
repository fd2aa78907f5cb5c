using System.Globalization;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Lab.Stores;

/// <summary>
/// The lab's tiers away from its own disk: a bucket on its S3 server for warm, a directory on its remote site for cold. What
/// is not installed, or does not start, is a directory instead, and that is said.
/// </summary>
public sealed class LabStores(LabFolder folder) : IAsyncDisposable
{
    private const string Bucket = "backups";
    private LabS3? _s3;
    private LabSsh? _ssh;

    /// <summary>The warm tier's URL as the configuration file has it, or null where it is a directory.</summary>
    public string? Warm => _s3 is null ? null : $"s3://{Bucket}/warm?endpoint={_s3.Endpoint}&credentials={Path.GetRelativePath(folder.Path, _s3.CredentialsFile)}";

    /// <summary>The cold tier's URL as the configuration file has it, or null where it is a directory.</summary>
    public string? Cold => _ssh is null ? null : string.Create(
        CultureInfo.InvariantCulture,
        $"sftp://{_ssh.User}@{LabSsh.Host}:{_ssh.Port}{folder.Combine("tiers", "cold")}?identity={Path.GetRelativePath(folder.Path, _ssh.IdentityFile)}&hostKey={_ssh.Fingerprint}");

    /// <summary>Starts what is installed; data of an earlier start is still there.</summary>
    /// <param name="say">Hears why a tier is a directory instead.</param>
    public async Task StartAsync(Action<string> say, CancellationToken cancellationToken)
    {
        if (LabS3.IsInstalled)
        {
            var server = new LabS3(folder, keepsData: true);
            if (await TryAsync(server, async () =>
            {
                await server.StartAsync(cancellationToken).ConfigureAwait(false);
                await server.EnsureBucketAsync(Bucket, withObjectLock: false, cancellationToken).ConfigureAwait(false);
            }, say).ConfigureAwait(false))
            {
                _s3 = server;
            }
        }
        else
        {
            say("no S3 server is installed (packages radosgw, ceph-mon, ceph-osd, ceph-common): the warm tier is a directory");
        }

        if (LabSsh.IsInstalled)
        {
            var server = new LabSsh(folder);
            if (await TryAsync(server, () => server.StartAsync(cancellationToken), say).ConfigureAwait(false))
            {
                _ssh = server;
            }
        }
        else
        {
            say("no SSH server is installed (package openssh-server): there is no cold tier");
        }
    }

    /// <summary>Stops what runs.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_ssh is not null)
        {
            await _ssh.DisposeAsync().ConfigureAwait(false);
        }

        if (_s3 is not null)
        {
            await _s3.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task<bool> TryAsync(IAsyncDisposable server, Func<Task> start, Action<string> say)
    {
        try
        {
            await start().ConfigureAwait(false);
            return true;
        }
        catch (EngineException fault)
        {
            say(fault.ToText());
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        await server.DisposeAsync().ConfigureAwait(false);
        return false;
    }
}
