using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Verifies the checksums of pages while they are read. A page that the server writes at the same instant may be read half
/// old, half new: it is read once more before it counts as damaged.
/// </summary>
/// <param name="root">The directory that paths begin at, to read a page again; null where the files are not here.</param>
/// <param name="prefix">What stands before the paths when they are named.</param>
internal sealed class PageVerification(string? root, string prefix)
{
    private const int MaxNamed = 1000;
    private readonly ConcurrentQueue<DamagedPage> _damaged = [];
    private long _pages;

    /// <summary>Where the backup's WAL begins: pages that were written later are replaced by replay.</summary>
    public ulong BackupStart { get; set; }

    /// <summary>Pages that were looked at.</summary>
    public long Pages => Interlocked.Read(ref _pages);

    /// <summary>Pages whose checksum is wrong, at most 1,000 of them.</summary>
    public IReadOnlyList<DamagedPage> Damaged => [.. _damaged.Take(MaxNamed).OrderBy(page => page.File, StringComparer.Ordinal).ThenBy(page => page.Block)];

    public RelationFile Open(string path, uint firstBlock) => new(this, path, firstBlock);

    /// <summary>One file; its bytes come in pieces of any length.</summary>
    internal sealed class RelationFile(PageVerification owner, string path, uint firstBlock)
    {
        private readonly byte[] _page = new byte[PageChecksum.PageBytes];
        private readonly List<uint> _suspects = [];
        private int _filled;
        private uint _block;

        public void Append(ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                if (_filled == 0 && bytes.Length >= PageChecksum.PageBytes)
                {
                    Judge(bytes[..PageChecksum.PageBytes]);
                    bytes = bytes[PageChecksum.PageBytes..];
                    continue;
                }

                var some = Math.Min(bytes.Length, PageChecksum.PageBytes - _filled);
                bytes[..some].CopyTo(_page.AsSpan(_filled));
                _filled += some;
                bytes = bytes[some..];
                if (_filled == PageChecksum.PageBytes)
                {
                    Judge(_page);
                    _filled = 0;
                }
            }
        }

        /// <summary>The file is over. A part of a page at its end is being extended right now, and replay writes it.</summary>
        public void Complete()
        {
            Interlocked.Add(ref owner._pages, _block);
            foreach (var block in _suspects.Where(IsStillDamaged))
            {
                if (owner._damaged.Count < MaxNamed)
                {
                    owner._damaged.Enqueue(new DamagedPage(owner.Prefix + path, firstBlock + block));
                }
            }
        }

        private void Judge(ReadOnlySpan<byte> page)
        {
            if (PageChecksum.Judge(page, firstBlock + _block, owner.BackupStart) == PageState.Damaged)
            {
                _suspects.Add(_block);
            }

            _block++;
        }

        private bool IsStillDamaged(uint block)
        {
            if (owner.Root is null)
            {
                return true;
            }

            try
            {
                using var file = File.OpenHandle(Path.Combine(owner.Root, path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                var read = RandomAccess.Read(file, _page, (long)block * PageChecksum.PageBytes);
                return read == PageChecksum.PageBytes && PageChecksum.Judge(_page, firstBlock + block, owner.BackupStart) == PageState.Damaged;
            }
            catch (FileNotFoundException)
            {
                // Dropped meanwhile: replay drops it too.
                return false;
            }
        }
    }

    private string? Root => root;

    private string Prefix => prefix;
}
