using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>One key of a snapshot. What is in it is good until the next one is read.</summary>
public sealed class RdbEntry
{
    public int Database { get; internal set; }

    public byte[] Key { get; internal set; } = [];

    /// <summary>When it expires, in milliseconds since 1970; null where it does not.</summary>
    public long? ExpiresAtMs { get; internal set; }

    /// <summary>The number of its type and packing.</summary>
    public int Type { get; internal set; }

    /// <summary><c>string</c>, <c>list</c>, <c>set</c>, <c>zset</c>, <c>hash</c>, <c>stream</c>, <c>module</c>.</summary>
    public string TypeName => RdbValueReader.TypeName(Type) ?? "unknown";

    /// <summary>Of the value alone.</summary>
    public UInt128 ValueDigest { get; internal set; }

    /// <summary>The value as <c>DUMP</c> gives it, where it is kept; else empty.</summary>
    public ReadOnlyMemory<byte> Payload { get; internal set; }

    /// <summary>True where the value would be kept, and is longer than a server takes.</summary>
    public bool IsTooLarge { get; internal set; }
}

/// <summary>
/// Reads a Redis snapshot (RDB) from front to back, without knowing its length, in the memory of one value. At the end the
/// checksum that the server wrote is compared with that of the bytes that came. It reads as fast as it gets them, and waits
/// for them: give it a thread.
/// </summary>
public sealed class RdbReader : IDisposable
{
    private const byte OpEnd = 0xFF, OpDatabase = 0xFE, OpExpiresSeconds = 0xFD, OpExpires = 0xFC, OpSizes = 0xFB, OpAux = 0xFA, OpFrequency = 0xF9, OpIdle = 0xF8,
        OpModule = 0xF7, OpFunctionEarly = 0xF6, OpFunction = 0xF5, OpSlot = 0xF4;

    /// <summary>A server's own limit for one argument (proto-max-bulk-len).</summary>
    public const int LongestPayload = 512 * 1024 * 1024;

    private const int FooterBytes = 10;

    private readonly RdbInput _input;
    private readonly RdbValueReader _values;
    private readonly RdbEntry _entry = new();
    private readonly Dictionary<string, string> _notes = new(StringComparer.Ordinal);
    private readonly List<string> _functions = [];
    private readonly Func<int, byte[], bool>? _keeps;
    private ArrayBufferWriter<byte> _payload = new();
    private int _database;
    private bool _hasBegun;

    /// <param name="stream">The snapshot; not disposed.</param>
    /// <param name="keeps">Says by database and key whose value is got as <c>RESTORE</c> takes it; null for none.</param>
    /// <param name="longest">What such a value may have at most; of a longer one only its digest is got.</param>
    public RdbReader(Stream stream, Func<int, byte[], bool>? keeps = null, int longest = LongestPayload)
    {
        _input = new RdbInput(stream) { LongestRecording = longest - FooterBytes };
        _values = new RdbValueReader(_input);
        _keeps = keeps;
    }

    /// <summary>The format's version; 10 is Redis 7.0.</summary>
    public int Version { get; private set; }

    /// <summary>What the server noted of itself: <c>redis-ver</c>, <c>ctime</c>, <c>used-mem</c> …</summary>
    public IReadOnlyDictionary<string, string> Notes => _notes;

    /// <summary>The code of each library of functions.</summary>
    public IReadOnlyList<string> Functions => _functions;

    /// <summary>True where a module left something beside the keys.</summary>
    public bool HasModuleData { get; private set; }

    /// <summary>False where the server was told to write no checksum (<c>rdbchecksum no</c>); known at the end.</summary>
    public bool HasChecksum { get; private set; }

    /// <summary>Bytes read so far; at the end, all of it.</summary>
    public long Position => _input.Position;

    /// <summary>The next key, or null at the end, when the checksum was found right.</summary>
    /// <exception cref="EngineException"><c>redis-rdb-damaged</c>, <c>redis-type-unknown</c>; what the stream throws comes through.</exception>
    public RdbEntry? Read()
    {
        if (!_hasBegun)
        {
            ReadHeader();
        }

        _entry.ExpiresAtMs = null;
        while (true)
        {
            var operation = _input.ReadByte();
            switch (operation)
            {
                case OpEnd:
                    ReadEnd();
                    return null;
                case OpExpires:
                    _entry.ExpiresAtMs = _input.ReadInt64();
                    break;
                case OpExpiresSeconds:
                    _entry.ExpiresAtMs = _input.ReadInt32() * 1000L;
                    break;
                case >= OpSlot:
                    ReadOperation(operation);
                    break;
                default:
                    ReadEntry(operation);
                    return _entry;
            }
        }
    }

    public void Dispose()
    {
        _values.Dispose();
        _input.Dispose();
    }

    private void ReadHeader()
    {
        Span<byte> header = stackalloc byte[9];
        _input.Read(header);
        if (!header.StartsWith("REDIS"u8) || !int.TryParse(header[5..], NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            throw _input.Damaged("it does not begin as a snapshot of Redis does");
        }

        Version = version;
        _hasBegun = true;
    }

    private void ReadOperation(byte operation)
    {
        switch (operation)
        {
            case OpDatabase:
                _database = checked((int)_input.ReadLength());
                break;
            case OpSizes:
                _input.ReadLength();
                _input.ReadLength();
                break;
            case OpAux:
                var name = _input.ReadText();
                _notes[name] = _input.ReadText();
                break;
            case OpFrequency:
                _input.ReadByte();
                break;
            case OpIdle:
                _input.ReadLength();
                break;
            case OpModule:
                HasModuleData = true;
                _input.ReadLength();
                _input.ReadLength();
                _input.ReadLength();
                RdbValueReader.ModuleParts(_input, null);
                break;
            case OpFunction:
                _functions.Add(_input.ReadText());
                break;
            case OpSlot:
                _input.ReadLength();
                _input.ReadLength();
                _input.ReadLength();
                break;
            default:
                throw operation == OpFunctionEarly
                    ? new EngineException("redis-type-unknown", ErrorKind.Unsupported, "the snapshot holds functions of a release candidate of Redis 7", "update the server")
                    : _input.Damaged(string.Create(CultureInfo.InvariantCulture, $"{operation:x2} begins nothing"));
        }
    }

    private void ReadEntry(byte type)
    {
        _entry.Database = _database;
        _entry.Type = type;
        _entry.Key = _input.ReadString().ToArray();
        (_entry.Payload, _entry.IsTooLarge) = (default, false);
        if (_keeps?.Invoke(_database, _entry.Key) != true)
        {
            _entry.ValueDigest = _values.Read(type);
            return;
        }

        _payload.ResetWrittenCount();
        _payload.Write([type]);
        _input.Recording = _payload;
        _entry.ValueDigest = _values.Read(type);
        if (_input.Recording is null)
        {
            _entry.IsTooLarge = true;
            // It grew as far as it may; the next value is hardly that long.
            _payload = new ArrayBufferWriter<byte>();
            return;
        }

        _input.Recording = null;
        BinaryPrimitives.WriteUInt16LittleEndian(_payload.GetSpan(2), (ushort)Version);
        _payload.Advance(2);
        BinaryPrimitives.WriteUInt64LittleEndian(_payload.GetSpan(8), Crc64.Append(0, _payload.WrittenSpan));
        _payload.Advance(8);
        _entry.Payload = _payload.WrittenMemory;
    }

    private void ReadEnd()
    {
        if (Version >= 5)
        {
            var found = _input.Checksum;
            var expected = _input.ReadTrailer();
            HasChecksum = expected != 0;
            if (HasChecksum && expected != found)
            {
                throw _input.Damaged($"its checksum is {found:x16}, and the server wrote {expected:x16}");
            }
        }

        if (!_input.IsAtEnd())
        {
            throw _input.Damaged("bytes follow its end");
        }
    }
}
