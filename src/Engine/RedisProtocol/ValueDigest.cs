using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>How the elements of a value belong together.</summary>
internal enum ValueShape
{
    /// <summary>One string.</summary>
    Text,

    /// <summary>Elements in order: lists, and what only the server that wrote it understands.</summary>
    Sequence,

    /// <summary>Elements in any order.</summary>
    Set,

    /// <summary>Fields and values in any order of the fields.</summary>
    Pairs,

    /// <summary>Members and scores, where the scores come as text or as numbers.</summary>
    Scores,
}

/// <summary>
/// Reduces a value to one number that depends on its content alone: not on how it is packed, nor on the order in which a
/// server happens to keep members of sets. The first 16 bytes of SHA-256; members are added, which sees duplicates.
/// </summary>
internal sealed class ValueDigest : IDisposable
{
    private const int Spill = 64 * 1024;
    private readonly ArrayBufferWriter<byte> _bytes = new(4096);
    private readonly ArrayBufferWriter<byte> _pair = new(256);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private ValueShape _shape;
    private bool _isSpilt;
    private bool _hasFirst;
    private UInt128 _members;
    private long _count;

    /// <summary>Begins a value.</summary>
    /// <param name="type">Its type's name, part of the digest.</param>
    public void Begin(ValueShape shape, string type)
    {
        _shape = shape;
        _members = 0;
        _count = 0;
        _hasFirst = false;
        _isSpilt = false;
        _bytes.ResetWrittenCount();
        _pair.ResetWrittenCount();
        Append(System.Text.Encoding.ASCII.GetBytes(type));
    }

    /// <summary>The next element: a string, an element, a member, or by turns the two of a pair.</summary>
    public void Element(ReadOnlySpan<byte> element)
    {
        _count++;
        switch (_shape)
        {
            case ValueShape.Text:
                Append(element);
                break;
            case ValueShape.Sequence:
                Length(element.Length);
                Append(element);
                break;
            case ValueShape.Set:
                _members += Of(element);
                break;
            default:
                Half(element);
                break;
        }
    }

    /// <summary>The score of the member that came last.</summary>
    public void Score(double score)
    {
        _count++;
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, score);
        _pair.Write(bytes);
        ClosePair();
    }

    /// <summary>A number that is part of the value.</summary>
    public void Number(long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        Append(bytes);
    }

    /// <summary>The digest.</summary>
    public UInt128 Finish()
    {
        if (_shape is not (ValueShape.Text or ValueShape.Sequence))
        {
            Number(_count);
            Span<byte> members = stackalloc byte[16];
            BinaryPrimitives.WriteUInt128LittleEndian(members, _members);
            Append(members);
        }

        if (!_isSpilt)
        {
            return Of(_bytes.WrittenSpan);
        }

        Span<byte> hash = stackalloc byte[32];
        _hash.AppendData(_bytes.WrittenSpan);
        _hash.GetHashAndReset(hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    /// <summary>The digest of bytes.</summary>
    public static UInt128 Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(bytes, hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    public void Dispose() => _hash.Dispose();

    private void Half(ReadOnlySpan<byte> element)
    {
        if (!_hasFirst)
        {
            _hasFirst = true;
            Span<byte> length = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(length, element.Length);
            _pair.Write(length);
            _pair.Write(element);
            return;
        }

        if (_shape == ValueShape.Scores)
        {
            _count--;
            Score(Parse(element));
            return;
        }

        _pair.Write(element);
        ClosePair();
    }

    private void ClosePair()
    {
        _members += Of(_pair.WrittenSpan);
        _pair.ResetWrittenCount();
        _hasFirst = false;
    }

    private static double Parse(ReadOnlySpan<byte> text) => text switch
    {
        _ when text.SequenceEqual("inf"u8) => double.PositiveInfinity,
        _ when text.SequenceEqual("-inf"u8) => double.NegativeInfinity,
        _ when Utf8Parser.TryParse(text, out double score, out var used) && used == text.Length => score,
        _ => throw new ArgumentOutOfRangeException(nameof(text), "this is no score"),
    };

    private void Length(int length)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
        Append(bytes);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        if (_bytes.WrittenCount + bytes.Length > Spill)
        {
            _isSpilt = true;
            _hash.AppendData(_bytes.WrittenSpan);
            _bytes.ResetWrittenCount();
            if (bytes.Length > Spill)
            {
                _hash.AppendData(bytes);
                return;
            }
        }

        _bytes.Write(bytes);
    }
}
