using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>
/// A store in a directory on a remote site, by SFTP. An object is written to <c>tmp/</c> and renamed over its name
/// (<c>posix-rename@openssh.com</c>), so that a broken connection leaves it whole or absent. SSH.NET cannot ask the server to
/// sync a file (<c>fsync@openssh.com</c>): what a power cut there leaves of the last minutes is the server's to decide.
/// </summary>
public sealed class SftpStore : IObjectStore, IStoreCapacity, IErasableStore
{
    private const short PrivateFolder = 700; // Written in octal digits, as chmod takes them.
    private readonly SftpConnections _connections;
    private readonly IDisposable? _owned;
    private readonly string _root;
    private readonly SftpFolders _folders;

    internal SftpStore(SftpConnections connections, string root, string url, TimeProvider time, IDisposable? owned)
    {
        (_connections, _root, Url, _owned) = (connections, root.TrimEnd('/'), url, owned);
        _folders = new SftpFolders(_root, PrivateFolder, time);
    }

    /// <inheritdoc/>
    public string Url { get; }

    /// <inheritdoc/>
    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var target = PathOf(key);
        var temporary = $"{_root}/{ObjectKey.TemporaryFolder}/{Guid.NewGuid():N}";
        await UseAsync(target, async (client, lease) =>
        {
            await _folders.EnsureAsync(client, FolderOf(temporary), cancellationToken);
            await _folders.EnsureAsync(client, FolderOf(target), cancellationToken);
            try
            {
                await WriteAsync(client, temporary, content, cancellationToken);
                await MoveAsync(client, temporary, target);
            }
            catch (Exception fault)
            {
                // The library leaves a failed upload's handle open; the server closes it with the session.
                lease.IsBroken = true;
                var said = fault is SftpException ? await ExplainAsync(client, target, content.Length, fault, cancellationToken) : null;
                if (fault is not (SocketException or SshConnectionException or SshOperationTimeoutException))
                {
                    await RemoveQuietlyAsync(client, temporary);
                }

                if (said is not null)
                {
                    throw said;
                }

                throw;
            }

            return true;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        await UseAsync(path, async client =>
        {
            try
            {
                await using var file = await client.OpenAsync(path, FileMode.Open, FileAccess.Read, cancellationToken);
                file.Seek(offset, SeekOrigin.Begin);
                var left = buffer;
                while (left.Length > 0)
                {
                    var read = await file.ReadAsync(left, cancellationToken);
                    if (read == 0)
                    {
                        throw StoreFaults.TooShort(Url, key);
                    }

                    left = left[read..];
                }
            }
            catch (SftpPathNotFoundException fault)
            {
                throw StoreFaults.NotFound(Url, key, fault);
            }

            return true;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        var lease = await _connections.RentAsync(isForStream: true, cancellationToken);
        try
        {
            var file = await lease.Client.OpenAsync(path, FileMode.Open, FileAccess.Read, cancellationToken);
            return new StoreReadStream(file, null, lease, fault =>
            {
                lease.IsBroken = true;
                return SftpFaults.IsOperational(fault) ? SftpFaults.From(fault, Url, path) : null;
            });
        }
        catch (Exception fault)
        {
            lease.IsBroken = fault is not SftpException;
            lease.Dispose();
            if (fault is SftpPathNotFoundException)
            {
                throw StoreFaults.NotFound(Url, key, fault);
            }

            if (SftpFaults.IsOperational(fault))
            {
                throw SftpFaults.From(fault, Url, path);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        return await UseAsync<ObjectInfo?>(path, async client =>
        {
            try
            {
                var found = await client.GetAttributesAsync(path, cancellationToken);
                return found.IsRegularFile ? new ObjectInfo(key, found.Size, found.LastWriteTimeUtc) : null;
            }
            catch (SftpPathNotFoundException)
            {
                return null;
            }
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Only the folder that the prefix names is walked, level by level, its folders at the same time: each costs round trips.
        var slash = prefix.LastIndexOf('/');
        List<string> level = [slash < 0 ? "" : prefix[..(slash + 1)]];
        var found = new List<ObjectInfo>();
        while (level.Count > 0)
        {
            var next = new List<string>();
            await Parallel.ForEachAsync(
                level, new ParallelOptions { MaxDegreeOfParallelism = _connections.Bound, CancellationToken = cancellationToken },
                async (folder, token) =>
                {
                    var (files, folders) = await ReadFolderAsync(folder, prefix, token);
                    lock (found)
                    {
                        found.AddRange(files);
                        next.AddRange(folders);
                    }
                });
            level = next;
        }

        found.Sort((left, right) => string.CompareOrdinal(left.Key, right.Key));
        foreach (var item in found)
        {
            yield return item;
        }
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        await UseAsync(path, async client =>
        {
            try
            {
                await client.DeleteFileAsync(path, cancellationToken);
            }
            catch (SftpPathNotFoundException)
            {
                return false;
            }

            return true;
        }, cancellationToken);
    }

    /// <inheritdoc/>
    async Task<int> IErasableStore.EraseAsync(string prefix, CancellationToken cancellationToken)
    {
        var erased = await StoreErasure.EraseListedAsync(this, prefix, cancellationToken);
        return await UseAsync(_root, client => _folders.EmptyTemporaryAsync(client, cancellationToken), cancellationToken) is { } left
            ? throw StoreErasure.NotErased(this, left[(_root.Length + 1)..])
            : erased;
    }

    /// <inheritdoc/>
    public async Task<StoreCapacity?> CapacityAsync(CancellationToken cancellationToken) => await UseAsync<StoreCapacity?>(_root, async client =>
    {
        try
        {
            var found = await client.GetStatusAsync(_root, cancellationToken);
            return new StoreCapacity((long)(found.TotalBlocks * found.BlockSize), (long)(found.AvailableBlocks * found.BlockSize));
        }
        catch (Exception fault) when (fault is NotSupportedException or SftpPathNotFoundException)
        {
            return null;
        }
    }, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _owned?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string FolderOf(string path) => path[..path.LastIndexOf('/')];

    private static async Task WriteAsync(SftpClient client, string path, ReadOnlyMemory<byte> content, CancellationToken ct)
    {
        // Only the library's synchronous upload keeps many blocks under way; the others wait for each block's answer.
        using var body = new CancellableReadStream(content, ct);
        await Task.Run(() => client.UploadFile(body, path, canOverride: false), CancellationToken.None);

        // The server has acknowledged each block; its own count is the last word before the object gets its name.
        var written = (await client.GetAttributesAsync(path, ct)).Size;
        if (written != content.Length)
        {
            throw new SshException($"the server holds {written} of {content.Length} bytes");
        }
    }

    /// <summary>Gives the object its name in one step; on servers without that, the old one of the same bytes goes first.</summary>
    private static async Task MoveAsync(SftpClient client, string from, string to)
    {
        try
        {
            // Once asked, the rename happens; a caller who gives up does not change that, so it is not cancelled.
            await Task.Run(() => client.RenameFile(from, to, isPosix: true), CancellationToken.None);
        }
        catch (NotSupportedException)
        {
            if (await client.ExistsAsync(to, CancellationToken.None))
            {
                await client.DeleteFileAsync(to, CancellationToken.None);
            }

            await client.RenameFileAsync(from, to, CancellationToken.None);
        }
    }

    private static async Task RemoveQuietlyAsync(SftpClient client, string path)
    {
        try
        {
            if (client.IsConnected)
            {
                // A full disk must not stay full of half an object, nor of one that is only open.
                await using (await client.OpenAsync(path, FileMode.Truncate, FileAccess.Write, CancellationToken.None))
                {
                }

                await client.DeleteFileAsync(path, CancellationToken.None);
            }
        }
        catch (Exception fault) when (SftpFaults.IsOperational(fault))
        {
            // The write's own fault is thrown; what is left in tmp/ is swept a day later.
        }
    }

    /// <summary>SFTP has one answer, "failure", for a full disk and a read-only one; the file system's own numbers tell them apart.</summary>
    private async Task<EngineException?> ExplainAsync(SftpClient client, string path, long needed, Exception fault, CancellationToken ct)
    {
        if (fault is SftpPermissionDeniedException or SftpPathNotFoundException)
        {
            return null;
        }

        try
        {
            var disk = await client.GetStatusAsync(_root, ct);
            return disk.IsReadOnly ? SftpFaults.Denied(Url, path, fault)
                : disk.AvailableBlocks * disk.BlockSize < (ulong)needed + disk.BlockSize || disk.AvailableNodes == 0 ? SftpFaults.Full(Url, path, fault)
                : null;
        }
        catch (Exception unknown) when (unknown is NotSupportedException || SftpFaults.IsOperational(unknown))
        {
            return null;
        }
    }

    private async Task<(List<ObjectInfo> Files, List<string> Folders)> ReadFolderAsync(string folder, string prefix, CancellationToken ct)
    {
        var path = folder.Length == 0 ? _root : $"{_root}/{folder.TrimEnd('/')}";
        return await UseAsync(path, async client =>
        {
            List<ObjectInfo> files = [];
            List<string> folders = [];
            try
            {
                await foreach (var entry in client.ListDirectoryAsync(path, ct))
                {
                    var key = folder + entry.Name;
                    if (entry.IsDirectory && entry.Name is not ("." or "..") && key is not (ObjectKey.TemporaryFolder or ObjectKey.LostAndFound))
                    {
                        folders.Add(key + "/");
                    }
                    else if (entry.IsRegularFile && key.StartsWith(prefix, StringComparison.Ordinal))
                    {
                        files.Add(new ObjectInfo(key, entry.Attributes.Size, entry.Attributes.LastWriteTimeUtc));
                    }
                }
            }
            catch (SftpPathNotFoundException)
            {
                // No folder, no objects: it was never made, or went away while its parent was read.
                return ([], []);
            }

            return (files, folders);
        }, ct);
    }

    private Task<T> UseAsync<T>(string path, Func<SftpClient, Task<T>> act, CancellationToken cancellationToken) =>
        UseAsync(path, (client, _) => act(client), cancellationToken);

    private async Task<T> UseAsync<T>(string path, Func<SftpClient, SftpLease, Task<T>> act, CancellationToken cancellationToken)
    {
        using var lease = await _connections.RentAsync(isForStream: false, cancellationToken);
        try
        {
            return await act(lease.Client, lease);
        }
        catch (Exception fault)
        {
            // An answer with a status leaves the session in order; after anything else requests may still be under way.
            lease.IsBroken |= fault is not (SftpException or EngineException);
            if (SftpFaults.IsOperational(fault))
            {
                throw SftpFaults.From(fault, Url, path);
            }

            throw;
        }
    }

    private string PathOf(string key) => $"{_root}/{ObjectKey.Check(key)}";
}
