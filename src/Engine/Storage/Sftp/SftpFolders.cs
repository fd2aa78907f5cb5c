using System.Collections.Concurrent;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>Makes a store's folders at the first write that needs each, private to the user, and sweeps <c>tmp/</c> once.</summary>
internal sealed class SftpFolders(string root, short mode, TimeProvider time)
{
    private static readonly TimeSpan AbandonedAge = TimeSpan.FromDays(1);
    private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal);

    public async Task EnsureAsync(SftpClient client, string folder, CancellationToken ct)
    {
        if (_known.ContainsKey(folder))
        {
            return;
        }

        await CreateAsync(client, folder, ct);
        if (folder == $"{root}/{ObjectKey.TemporaryFolder}")
        {
            await SweepAbandonedAsync(client, folder, AbandonedAge, ct);
        }

        _known[folder] = true;
    }

    private async Task CreateAsync(SftpClient client, string folder, CancellationToken ct)
    {
        if (folder.Length == 0 || await client.ExistsAsync(folder, ct))
        {
            return;
        }

        await CreateAsync(client, folder[..folder.LastIndexOf('/')], ct);
        try
        {
            await client.CreateDirectoryAsync(folder, ct);
        }
        catch (SftpException fault) when (fault is not (SftpPermissionDeniedException or SftpPathNotFoundException))
        {
            // Another writer may have made it a moment ago; the server's word for that is only "failure".
            if (!await client.ExistsAsync(folder, ct))
            {
                throw;
            }

            return;
        }

        if (folder == root || folder.StartsWith(root + "/", StringComparison.Ordinal))
        {
            var attributes = await client.GetAttributesAsync(folder, ct);
            attributes.SetPermissions(mode);
            await Task.Run(() => client.SetAttributes(folder, attributes), ct);
        }
    }

    /// <summary>Deletes whatever writers left of objects that never got their name, however old it is.</summary>
    /// <returns>One that is still there, or null.</returns>
    public async Task<string?> EmptyTemporaryAsync(SftpClient client, CancellationToken ct)
    {
        var folder = $"{root}/{ObjectKey.TemporaryFolder}";
        await SweepAbandonedAsync(client, folder, TimeSpan.MinValue, ct);
        return (await TemporaryAsync(client, folder, TimeSpan.MinValue, ct)).FirstOrDefault();
    }

    /// <summary>A broken upload leaves its temporary file. Those of a day ago belong to nobody who is still writing them.</summary>
    private async Task SweepAbandonedAsync(SftpClient client, string folder, TimeSpan age, CancellationToken ct)
    {
        foreach (var file in await TemporaryAsync(client, folder, age, ct))
        {
            try
            {
                await client.DeleteFileAsync(file, ct);
            }
            catch (SftpPathNotFoundException)
            {
                // Another writer swept it first.
            }
            catch (SftpPermissionDeniedException)
            {
                // A role that may only write leaves it to one that may delete.
                return;
            }
        }
    }

    private async Task<List<string>> TemporaryAsync(SftpClient client, string folder, TimeSpan age, CancellationToken ct)
    {
        List<string> found = [];
        try
        {
            await foreach (var entry in client.ListDirectoryAsync(folder, ct))
            {
                if (entry.IsRegularFile && time.GetUtcNow() - entry.LastWriteTimeUtc > age)
                {
                    found.Add(entry.FullName);
                }
            }
        }
        catch (SftpPathNotFoundException)
        {
            // Nothing was ever written there.
        }

        return found;
    }
}
