using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// A store in a local directory. An object is written to <c>tmp/</c>, synced, renamed, and its directory synced: after a
/// crash at any instant it is either whole or absent.
/// </summary>
public sealed class FileSystemStore : IObjectStore, IStoreCapacity, IErasableStore, IListingProgress
{
    private static readonly TimeSpan AbandonedAge = TimeSpan.FromDays(1);
    private readonly string _root;
    private readonly string _prefix;
    private readonly TimeProvider _time;
    private readonly Lock _folders = new();
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private volatile string? _lastRead;

    /// <param name="root">The directory; made at the first write.</param>
    /// <param name="time">The clock by which abandoned temporary files are swept.</param>
    public FileSystemStore(string root, TimeProvider? time = null)
    {
        _root = Path.GetFullPath(root);
        _prefix = _root.EndsWith('/') ? _root : _root + "/";
        _time = time ?? TimeProvider.System;
        Url = new StoreUrl(_root).ToString();
    }

    /// <inheritdoc/>
    public string Url { get; }

    /// <inheritdoc/>
    public Action? OnEntry { get; set; }

    /// <inheritdoc/>
    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var target = PathOf(key);
        var temporary = Path.Combine(_root, ObjectKey.TemporaryFolder, Guid.NewGuid().ToString("N"));
        var written = false;
        try
        {
            EnsureFolder(Path.GetDirectoryName(temporary)!);
            EnsureFolder(Path.GetDirectoryName(target)!);
            using (var handle = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                written = true;
                if (!OperatingSystem.IsWindows())
                {
                    File.SetUnixFileMode(handle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                }

                await RandomAccess.WriteAsync(handle, content, 0, cancellationToken);
                RandomAccess.FlushToDisk(handle);
            }

            File.Move(temporary, target, overwrite: true);
            written = false;
            Durability.SyncDirectory(Path.GetDirectoryName(target)!);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, target);
        }
        finally
        {
            if (written)
            {
                // A full disk must not stay full of half an object.
                File.Delete(temporary);
            }
        }
    }

    /// <inheritdoc/>
    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        using var handle = OpenToRead(key, path);
        try
        {
            while (buffer.Length > 0)
            {
                var read = await RandomAccess.ReadAsync(handle, buffer, offset, cancellationToken);
                if (read == 0)
                {
                    throw StoreFaults.TooShort(Url, key);
                }

                offset += read;
                buffer = buffer[read..];
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw FaultOfReading(error, key, path);
        }

        _lastRead = path;
    }

    /// <inheritdoc/>
    public Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        try
        {
            return Task.FromResult<Stream>(new GivenStream(this, key, path, new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Translate(error, key, path);
        }
    }

    /// <inheritdoc/>
    public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        try
        {
            return Task.FromResult(TryDescribe(key, new FileInfo(path)));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, path);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var item in Enumerate(prefix, cancellationToken))
        {
            yield return item;
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        try
        {
            // Not asked before whether it is there: a disk that does not answer would look as if it were not, and it would count as deleted.
            File.Delete(path);
            Durability.SyncDirectory(Path.GetDirectoryName(path)!);
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing is there, which is what was asked for.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, path);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    async Task<int> IErasableStore.EraseAsync(string prefix, CancellationToken cancellationToken)
    {
        var erased = await StoreErasure.EraseListedAsync(this, prefix, cancellationToken);
        var folder = Path.Combine(_root, ObjectKey.TemporaryFolder);
        try
        {
            // A writer that was killed left whole objects here, and what they are nothing tells.
            SweepAbandoned(folder, TimeSpan.MinValue);
            Durability.SyncDirectory(folder);
            return Directory.EnumerateFiles(folder).FirstOrDefault() is { } left ? throw StoreErasure.NotErased(this, left[_prefix.Length..]) : erased;
        }
        catch (DirectoryNotFoundException)
        {
            return erased;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, folder);
        }
    }

    /// <inheritdoc/>
    public Task<StoreCapacity?> CapacityAsync(CancellationToken cancellationToken)
    {
        var drive = Directory.Exists(_root) ? new DriveInfo(_root) : null;
        return Task.FromResult<StoreCapacity?>(drive is null ? null : new StoreCapacity(drive.TotalSize, drive.AvailableFreeSpace));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private List<ObjectInfo> Enumerate(string prefix, CancellationToken cancellationToken)
    {
        var found = new List<ObjectInfo>();
        // Only the folder that the prefix names is walked, so a listing of manifests does not read every pack's folder.
        var slash = prefix.LastIndexOf('/');
        var folder = slash < 0 ? _root : Path.Combine(_root, prefix[..slash]);
        try
        {
            foreach (var file in FilesBelow(folder))
            {
                cancellationToken.ThrowIfCancellationRequested();
                OnEntry?.Invoke();
                var key = file.FullName[_prefix.Length..];
                if (key.StartsWith(prefix, StringComparison.Ordinal) && !ObjectKey.IsTemporary(key) && TryDescribe(key, file) is { } described)
                {
                    found.Add(described);
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing was written there yet. Any other answer than that is none: who lists sessions or holds must not take it for an empty list.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, folder);
        }

        found.Sort((left, right) => string.CompareOrdinal(left.Key, right.Key));
        return found;
    }

    private FileSystemEnumerable<FileInfo> FilesBelow(string folder) => new(
        folder, (ref entry) => (FileInfo)entry.ToFileSystemInfo(), new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false })
    {
        ShouldIncludePredicate = (ref entry) => !entry.IsDirectory,
        ShouldRecursePredicate = (ref entry) => !(entry.FileName is ObjectKey.LostAndFound && entry.Directory.TrimEnd('/').SequenceEqual(_prefix.AsSpan().TrimEnd('/'))),
    };

    /// <summary>Null where it is not there, or where another process deleted it since the folder was read: that is no fault of the listing.</summary>
    private static ObjectInfo? TryDescribe(string key, FileInfo file)
    {
        try
        {
            var length = file.Length;
            return new ObjectInfo(key, length, file.LastWriteTimeUtc);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private void EnsureFolder(string folder)
    {
        lock (_folders)
        {
            if (_known.Contains(folder))
            {
                return;
            }

            CreateFolder(folder);
            if (folder == Path.Combine(_root, ObjectKey.TemporaryFolder))
            {
                SweepAbandoned(folder, AbandonedAge);
            }

            _known.Add(folder);
        }
    }

    private static void CreateFolder(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        var parent = Path.GetDirectoryName(folder);
        if (parent is not null)
        {
            CreateFolder(parent);
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
            return;
        }

        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Durability.SyncDirectory(parent!);
    }

    /// <summary>A killed writer leaves temporary files. Those of a day ago belong to nobody who is still writing them.</summary>
    private void SweepAbandoned(string folder, TimeSpan age)
    {
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            if (_time.GetUtcNow() - file.LastWriteTimeUtc > age)
            {
                file.Delete();
            }
        }
    }

    private SafeFileHandle OpenToRead(string key, string path)
    {
        try
        {
            return File.OpenHandle(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Translate(error, key, path);
        }
    }

    private EngineException Translate(Exception error, string key, string path) =>
        error is FileNotFoundException or DirectoryNotFoundException ? StoreFaults.NotFound(Url, key, error) : StoreFaults.From(error, path);

    /// <summary>Damage to the object only where the disk is this machine's and gives others: else it is the store that is away.</summary>
    private EngineException FaultOfReading(Exception error, string key, string path) =>
        StoreFaults.OfReading(error, Url, key, path) is var fault && (fault.Code != StoreFaults.Unreadable || LocalDisk.GivesOthers(path, _lastRead))
            ? fault : StoreFaults.From(error, path);

    private string PathOf(string key) => Path.Combine(_root, ObjectKey.Check(key));

    /// <summary>An object's bytes, whose faults are told as those of other stores are.</summary>
    private sealed class GivenStream(FileSystemStore store, string key, string path, FileStream file) : ForwardReadStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                var read = await file.ReadAsync(buffer, cancellationToken);
                store._lastRead = path;
                return read;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw store.FaultOfReading(error, key, path);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                file.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
