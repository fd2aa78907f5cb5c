using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Reads WAL on its way into a restore point and notes which blocks its records change (access/transam/xlogreader.c). What it
/// does not understand makes everything unknown, never unchanged.
/// </summary>
/// <param name="changes">Gets what is found.</param>
/// <param name="from">Where the first byte is: the beginning of a segment.</param>
/// <param name="start">Where the first record to look at begins.</param>
/// <param name="segments">The server's segments.</param>
internal sealed class WalTouches(RelationChanges changes, ulong from, ulong start, WalSegmentSize segments)
{
    private const int PageBytes = 8192;
    private const int ShortHeader = 24;
    private const int LongHeader = 40;
    private const int RecordHeader = 24;
    private const ushort HasLongHeader = 2;
    private const ushort OverwritesRecord = 8;
    private const byte XlogManager = 0, StorageManager = 2;
    private const byte Switch = 0x40, Truncate = 0x20;

    private readonly byte[] _page = new byte[PageBytes];
    private byte[] _record = new byte[PageBytes];
    private ulong _at = from;
    private ulong _skipTo = start / PageBytes * PageBytes;
    private bool _hasBegun;
    private int _filled;
    private int _need;
    private int _have;

    /// <summary>The next bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0 && changes.IsKnown)
        {
            var some = Math.Min(bytes.Length, PageBytes - _filled);
            bytes[..some].CopyTo(_page.AsSpan(_filled));
            _filled += some;
            bytes = bytes[some..];
            if (_filled == PageBytes)
            {
                ReadPage();
            }
        }
    }

    /// <summary>The bytes are over; they end with a record.</summary>
    public void Complete()
    {
        if (_filled > 0 && changes.IsKnown)
        {
            ReadPage();
        }

        if (_have > 0 || !_hasBegun)
        {
            changes.Unknown();
        }
    }

    private void ReadPage()
    {
        var page = _page.AsSpan(0, _filled);
        var at = _at;
        _at += PageBytes;
        _filled = 0;
        if (at < _skipTo)
        {
            return;
        }

        var info = page.Length < ShortHeader ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(page[2..]);
        var position = (info & HasLongHeader) != 0 ? LongHeader : ShortHeader;
        if (page.Length < position || BinaryPrimitives.ReadUInt64LittleEndian(page[8..]) != at || (info & OverwritesRecord) != 0)
        {
            changes.Unknown();
            return;
        }

        if (!_hasBegun)
        {
            _hasBegun = true;
            position = Math.Max(position, (int)(start - at));
        }

        while (position < page.Length && at >= _skipTo && changes.IsKnown)
        {
            position = Take(page, position);
        }
    }

    private int Take(ReadOnlySpan<byte> page, int position)
    {
        if (_have == 0)
        {
            // Records begin at multiples of eight, so their length is never cut by the end of a page.
            position = (position + 7) & ~7;
            if (position >= page.Length)
            {
                return position;
            }

            _need = page.Length - position < sizeof(uint) ? 0 : BinaryPrimitives.ReadInt32LittleEndian(page[position..]);
            if (_need < RecordHeader)
            {
                changes.Unknown();
                return page.Length;
            }

            if (_record.Length < _need)
            {
                _record = new byte[_need];
            }
        }

        var some = Math.Min(_need - _have, page.Length - position);
        page.Slice(position, some).CopyTo(_record.AsSpan(_have));
        _have += some;
        if (_have == _need)
        {
            _have = 0;
            if (!new RecordReader(_record.AsSpan(0, _need)).TryNote(changes))
            {
                changes.Unknown();
            }

            if (_record[17] == XlogManager && (_record[16] & 0xF0) == Switch)
            {
                // The rest of the segment is nothing.
                _skipTo = segments.StartOf(segments.SegmentOf(_at - 1) + 1);
            }
        }

        return position + some;
    }

    /// <summary>The blocks that one record names.</summary>
    private ref struct RecordReader(ReadOnlySpan<byte> record)
    {
        private const byte MaxBlock = 32, ShortData = 255, LongData = 254, Origin = 253, TopLevel = 252;
        private const byte HasImage = 0x10, SameRelation = 0x80, ForkMask = 0x0F;
        private const byte HasHole = 0x01, IsCompressed = 0x1C;
        private readonly ReadOnlySpan<byte> _record = record;
        private int _at = RecordHeader;

        public bool TryNote(RelationChanges changes)
        {
            RelationId? relation = null;
            long data = 0;
            while (_record.Length - _at > data)
            {
                var id = _record[_at++];
                if (id is ShortData or LongData)
                {
                    if (!Has(id == ShortData ? 1 : 4))
                    {
                        return false;
                    }

                    data += id == ShortData ? _record[_at] : BinaryPrimitives.ReadUInt32LittleEndian(_record[_at..]);
                    _at += id == ShortData ? 1 : 4;
                    break;
                }

                if (id is Origin or TopLevel)
                {
                    _at += id == Origin ? 2 : 4;
                }
                else if (id > MaxBlock || !TryBlock(changes, ref relation, ref data))
                {
                    return false;
                }
            }

            return _record.Length - _at == data && TryTruncation(changes);
        }

        private bool TryBlock(RelationChanges changes, ref RelationId? relation, ref long data)
        {
            if (!Has(3))
            {
                return false;
            }

            var flags = _record[_at];
            data += BinaryPrimitives.ReadUInt16LittleEndian(_record[(_at + 1)..]);
            _at += 3;
            if ((flags & HasImage) != 0)
            {
                if (!Has(5))
                {
                    return false;
                }

                data += BinaryPrimitives.ReadUInt16LittleEndian(_record[_at..]);
                var image = _record[_at + 4];
                _at += (image & IsCompressed) != 0 && (image & HasHole) != 0 ? 7 : 5;
            }

            if ((flags & SameRelation) == 0)
            {
                if (!Has(12))
                {
                    return false;
                }

                relation = ReadRelation(_record[_at..]);
                _at += 12;
            }

            if (!Has(4) || relation is not { } known)
            {
                return false;
            }

            if ((flags & ForkMask) == 0)
            {
                changes.Touch(known, BinaryPrimitives.ReadUInt32LittleEndian(_record[_at..]));
            }

            _at += 4;
            return true;
        }

        /// <summary>A truncation names its relation in its data; what it cuts off held no rows, but the part is read again.</summary>
        private readonly bool TryTruncation(RelationChanges changes)
        {
            if (_record[17] != StorageManager || (_record[16] & 0xF0) != Truncate)
            {
                return true;
            }

            if (_record.Length - _at < 16)
            {
                return false;
            }

            changes.Touch(ReadRelation(_record[(_at + 4)..]), BinaryPrimitives.ReadUInt32LittleEndian(_record[_at..]));
            return true;
        }

        private readonly bool Has(int bytes) => _record.Length - _at >= bytes;

        private static RelationId ReadRelation(ReadOnlySpan<byte> bytes) => new(
            BinaryPrimitives.ReadUInt32LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
    }
}
