using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Sees every byte of a cluster's files on their way: makes their entries for the backup manifest, and judges each page of a
/// relation where pages carry checksums.
/// </summary>
/// <param name="manifest">Gets an entry for each file; null where the server makes the manifest.</param>
/// <param name="pages">Judges pages; null where they carry no checksums.</param>
/// <param name="parent">The parent's manifest, for files that are taken over unread.</param>
/// <param name="prefix">What stands before the paths in the manifest: <c>pg_tblspc/OID/</c> for a tablespace, else empty.</param>
internal sealed class ClusterInspector(BackupManifestFile? manifest, PageVerification? pages, BackupManifestFile? parent, string prefix = "") : ITreeInspector
{
    private readonly ConcurrentBag<string> _unlisted = [];

    /// <summary>Small files whose bytes are wanted, by path: kept as they come.</summary>
    public ConcurrentDictionary<string, byte[]> Kept { get; } = new(StringComparer.Ordinal);

    /// <summary>Gets what differs from the parent restore point; null where nobody asks.</summary>
    public RelationChanges? Changes { get; init; }

    /// <summary>Paths of small files to keep.</summary>
    public IReadOnlySet<string> Keep { get; init; } = new HashSet<string>();

    /// <summary>Told a small file that is kept, as soon as it is there.</summary>
    public Action<string, byte[]>? OnKept { get; init; }

    /// <summary>True where the parent's manifest did not know a file that was taken over: then there is no whole manifest.</summary>
    public bool IsIncomplete => !_unlisted.IsEmpty;

    public IFileInspector Open(string path) => new FileInspector(this, path);

    IFileInspector? ITreeInspector.Open(string path) => Open(path);

    public void TakenOver(string path, long bytes, DateTimeOffset modified)
    {
        Changes?.Unread(prefix + path);
        if (parent?.Files.GetValueOrDefault(prefix + path) is { } known && known.Bytes == bytes)
        {
            manifest?.Add(known with { Modified = modified });
        }
        else
        {
            _unlisted.Add(path);
        }
    }

    private sealed class FileInspector : IFileInspector
    {
        private readonly ClusterInspector _owner;
        private readonly string _path;
        private readonly PageVerification.RelationFile? _pages;
        private readonly MemoryStream? _kept;
        private readonly List<(long Offset, long Length)> _same = [];
        private uint _crc = Crc32C.Seed;

        public FileInspector(ClusterInspector owner, string path)
        {
            _owner = owner;
            _path = path;
            IsPaged = ClusterFiles.IsRelation(path, out var firstBlock);
            _pages = IsPaged ? owner.PagesOf(path, firstBlock) : null;
            _kept = owner.Keep.Contains(path) ? new MemoryStream() : null;
        }

        public bool IsPaged { get; }

        public void Append(ReadOnlySpan<byte> bytes)
        {
            _crc = _owner.HasManifest ? Crc32C.Append(_crc, bytes) : _crc;
            _pages?.Append(bytes);
            _kept?.Write(bytes);
        }

        public void Same(long offset, long length) => _same.Add((offset, length));

        public void Complete(long bytes, DateTimeOffset modified)
        {
            _owner.Note(_path, bytes, modified, Crc32C.Text(_crc));
            _pages?.Complete();
            _owner.Changes?.Read(_owner.Prefix + _path, bytes, _same);
            if (_kept is not null)
            {
                _owner.Kept[_path] = _kept.ToArray();
                _owner.OnKept?.Invoke(_path, _owner.Kept[_path]);
            }
        }
    }

    private string Prefix => prefix;

    private bool HasManifest => manifest is not null;

    private PageVerification.RelationFile? PagesOf(string path, uint firstBlock) => pages?.Open(path, firstBlock);

    private void Note(string path, long bytes, DateTimeOffset modified, string crc) =>
        manifest?.Add(new ManifestFile(prefix + path, bytes, modified, crc));
}
