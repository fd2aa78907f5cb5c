using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>What names a relation's files: an OID of a tablespace and of a database, and a number that changes when it is rewritten.</summary>
internal readonly record struct RelationId(uint Tablespace, uint Database, uint Number);

/// <summary>
/// Which parts of relations may hold other rows than at the parent restore point: those whose bytes differ in this copy, and
/// those that the WAL from its beginning to the named restore point touches. A checkpoint begins the copy, so a change is in
/// one or the other. Thread-safe.
/// </summary>
internal sealed class RelationChanges
{
    /// <summary>A part is 32 MiB.</summary>
    public const uint RangeBlocks = 4096;

    private const uint SegmentRanges = ClusterFiles.BlocksPerSegment / RangeBlocks;
    private const long RangeBytes = RangeBlocks * (long)PageChecksum.PageBytes;

    private readonly ConcurrentDictionary<(RelationId Relation, uint Range), bool> _changed = new();
    private readonly ConcurrentDictionary<(RelationId Relation, uint Segment), bool> _seen = new();

    /// <summary>False where something kept the changes from being told: then everything may have changed.</summary>
    public bool IsKnown { get; private set; } = true;

    /// <summary>True where a part holds what it held at the parent restore point.</summary>
    public bool IsSame(RelationId relation, uint range) =>
        IsKnown && _seen.ContainsKey((relation, range / SegmentRanges)) && !_changed.ContainsKey((relation, range));

    /// <summary>A file was taken over unread.</summary>
    public void Unread(string path) => Note(path, []);

    /// <summary>A file was read.</summary>
    /// <param name="path">Below the data directory.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="same">What of it is as it was: offset and length, in order.</param>
    public void Read(string path, long bytes, IReadOnlyList<(long Offset, long Length)> same)
    {
        var different = new List<(long, long)>();
        var at = 0L;
        foreach (var (offset, length) in same)
        {
            if (offset > at)
            {
                different.Add((at, offset - at));
            }

            at = offset + length;
        }

        if (bytes > at)
        {
            different.Add((at, bytes - at));
        }

        // VACUUM cuts off pages at a file's end, and what is left is as it was: the part of the end has lost rows, or may have.
        // The parent's length does not tell, since its facts are of a later instant than its copy of this file.
        if (bytes == 0 || bytes % RangeBytes != 0)
        {
            different.Add((bytes, 1));
        }

        Note(path, different);
    }

    /// <summary>WAL changes a block.</summary>
    public void Touch(RelationId relation, uint block) => _changed[(relation, block / RangeBlocks)] = true;

    /// <summary>Nothing can be told: everything is read.</summary>
    public void Unknown() => IsKnown = false;

    private void Note(string path, List<(long Offset, long Length)> different)
    {
        if (!ClusterFiles.IsRows(path, out var relation, out var segment))
        {
            return;
        }

        foreach (var (offset, length) in different)
        {
            for (var range = offset / RangeBytes; range <= (offset + length - 1) / RangeBytes; range++)
            {
                _changed[(relation, (segment * SegmentRanges) + (uint)range)] = true;
            }
        }

        _seen[(relation, segment)] = true;
    }
}
