using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>The bytes of a snapshot, read once from front to back, with their checksum so far and, where wanted, a recording of them.</summary>
internal sealed class RdbInput(Stream stream) : IDisposable
{
    /// <summary>A length that is not one: an integer or a compressed string follows instead.</summary>
    public const int EncodedInt8 = 0, EncodedInt16 = 1, EncodedInt32 = 2, EncodedLzf = 3;

    private const int BufferBytes = 1024 * 1024;

    // The server's own limit for a string; a length beyond it is damage and must not become an allocation.
    private const long LargestString = 4L << 30;

    // Three bytes of LZF stand for 264 at most.
    private const long MostUnpacked = 264;
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private byte[] _packed = [];
    private byte[] _text = [];
    private long _before;
    private ulong _crc;
    private int _summed;
    private int _start;
    private int _end;

    /// <summary>Gets every byte that is consumed while it is set; it is let go where it would grow beyond <see cref="LongestRecording"/>.</summary>
    public ArrayBufferWriter<byte>? Recording { get; set; }

    public int LongestRecording { get; init; }

    /// <summary>Bytes consumed so far.</summary>
    public long Position => _before + _start;

    /// <summary>The checksum of everything consumed so far.</summary>
    public ulong Checksum
    {
        get
        {
            Sum();
            return _crc;
        }
    }

    public byte ReadByte()
    {
        if (_start == _end)
        {
            Fill();
        }

        var one = _buffer[_start++];
        Record([one]);
        return one;
    }

    public void Read(Span<byte> into)
    {
        var rest = into;
        while (rest.Length > 0)
        {
            if (_start == _end)
            {
                Fill();
            }

            var count = Math.Min(rest.Length, _end - _start);
            _buffer.AsSpan(_start, count).CopyTo(rest);
            _start += count;
            rest = rest[count..];
        }

        Record(into);
    }

    public long ReadInt64()
    {
        Span<byte> bytes = stackalloc byte[8];
        Read(bytes);
        return BinaryPrimitives.ReadInt64LittleEndian(bytes);
    }

    public int ReadInt32()
    {
        Span<byte> bytes = stackalloc byte[4];
        Read(bytes);
        return BinaryPrimitives.ReadInt32LittleEndian(bytes);
    }

    /// <summary>A length.</summary>
    public long ReadLength() => ReadLength(out var encoding) is var length && encoding < 0 ? length : throw Damaged($"a length is expected, and encoding {encoding} is there");

    /// <summary>A length, or the encoding that stands in its place; -1 where it is a length.</summary>
    public long ReadLength(out int encoding)
    {
        encoding = -1;
        var first = ReadByte();
        switch (first >> 6)
        {
            case 0:
                return first & 0x3F;
            case 1:
                return ((first & 0x3F) << 8) | ReadByte();
            case 3:
                encoding = first & 0x3F;
                return 0;
        }

        Span<byte> bytes = stackalloc byte[8];
        switch (first)
        {
            case 0x80:
                Read(bytes[..4]);
                return BinaryPrimitives.ReadUInt32BigEndian(bytes);
            case 0x81:
                Read(bytes);
                return BinaryPrimitives.ReadInt64BigEndian(bytes) is >= 0 and var length ? length : throw Damaged("a length is negative");
            default:
                throw Damaged($"{first:x2} begins no length");
        }
    }

    /// <summary>A string as its owners know it, unpacked. It is good until the next one is read.</summary>
    public ReadOnlySpan<byte> ReadString()
    {
        var length = ReadLength(out var encoding);
        switch (encoding)
        {
            case -1:
                return Fetch(ref _text, length);
            case EncodedInt8:
                return Decimal((sbyte)ReadByte());
            case EncodedInt16:
                return Decimal((short)(ReadByte() | (ReadByte() << 8)));
            case EncodedInt32:
                return Decimal(ReadInt32());
            case EncodedLzf:
                var packed = ReadLength();
                var unpacked = ReadLength();
                if (unpacked > packed * MostUnpacked)
                {
                    throw Damaged("a compressed string claims more than it can hold");
                }

                var from = Fetch(ref _packed, packed);
                var to = Room(ref _text, unpacked);
                return Lzf.TryUnpack(from, to) ? to : throw Damaged("a compressed string does not unpack to its length");
            default:
                throw Damaged($"{encoding} is no encoding of a string");
        }
    }

    public string ReadText() => Encoding.UTF8.GetString(ReadString());

    /// <summary>The last eight bytes: they are not part of what they sum up.</summary>
    public ulong ReadTrailer()
    {
        Sum();
        Span<byte> bytes = stackalloc byte[8];
        Read(bytes);
        _summed = _start;
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>True where nothing follows.</summary>
    public bool IsAtEnd() => _start == _end && !TryFill();

    public EngineException Damaged(string what) => new(
        "redis-rdb-damaged", ErrorKind.Damaged, string.Create(CultureInfo.InvariantCulture, $"the snapshot is damaged at byte {Position}: {what}"), "take a new backup");

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private ReadOnlySpan<byte> Decimal(long number)
    {
        var room = Room(ref _text, 24);
        number.TryFormat(room, out var written, default, CultureInfo.InvariantCulture);
        return room[..written];
    }

    private Span<byte> Room(ref byte[] room, long length)
    {
        if (length is < 0 or > LargestString || length > Array.MaxLength)
        {
            throw Damaged(string.Create(CultureInfo.InvariantCulture, $"a string of {length} bytes"));
        }

        if (room.Length < length)
        {
            room = new byte[Math.Max(length, Math.Min(2L * room.Length, Array.MaxLength))];
        }

        return room.AsSpan(0, (int)length);
    }

    /// <summary>Grows with what arrives: a length that is damage is met by the snapshot's end, not by the machine's.</summary>
    private ReadOnlySpan<byte> Fetch(ref byte[] room, long length)
    {
        for (long have = 0; have < length;)
        {
            var want = Math.Min(length, Math.Max(BufferBytes, 2 * have));
            var kept = room;
            var span = Room(ref room, want);
            if (!ReferenceEquals(kept, room))
            {
                kept.AsSpan(0, (int)have).CopyTo(span);
            }

            Read(span[(int)have..]);
            have = want;
        }

        return Room(ref room, length);
    }

    private void Record(ReadOnlySpan<byte> bytes)
    {
        if (Recording is not { } recording)
        {
            return;
        }

        if (recording.WrittenCount + (long)bytes.Length > LongestRecording)
        {
            Recording = null;
            return;
        }

        recording.Write(bytes);
    }

    private void Sum()
    {
        _crc = Crc64.Append(_crc, _buffer.AsSpan(_summed, _start - _summed));
        _summed = _start;
    }

    private void Fill()
    {
        if (!TryFill())
        {
            throw Damaged("it ends here, before its end");
        }
    }

    private bool TryFill()
    {
        Sum();
        _before += _start;
        _start = _summed = 0;
        _end = stream.Read(_buffer, 0, BufferBytes);
        return _end > 0;
    }
}
