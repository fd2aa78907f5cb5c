using System.Globalization;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>Reads one value of a snapshot through and reduces it to its digest. Never holds more of it than one element.</summary>
internal sealed class RdbValueReader(RdbInput input) : IDisposable
{
    private readonly ValueDigest _digest = new();

    /// <summary>The names of types by their number in the snapshot; null for a number that this build does not know.</summary>
    public static string? TypeName(int type) => type switch
    {
        0 => "string",
        1 or 10 or 14 or 18 => "list",
        2 or 11 or 20 => "set",
        3 or 5 or 12 or 17 => "zset",
        4 or 9 or 13 or 16 => "hash",
        7 => "module",
        15 or 19 or 21 => "stream",
        _ => null,
    };

    /// <summary>Reads a value of a type.</summary>
    /// <exception cref="EngineException"><c>redis-rdb-damaged</c>, <c>redis-type-unknown</c>.</exception>
    public UInt128 Read(int type)
    {
        var name = TypeName(type) ?? throw new EngineException("redis-type-unknown", ErrorKind.Unsupported,
            string.Create(CultureInfo.InvariantCulture, $"the snapshot has a value of type {type}, which this version cannot read"),
            "hash fields with an expiry of their own (Redis 7.4) are not understood yet");
        try
        {
            Read(type, name);
        }
        catch (Exception exception) when (exception is ArgumentOutOfRangeException or IndexOutOfRangeException)
        {
            throw input.Damaged($"a {name} is not packed as it should be");
        }

        return _digest.Finish();
    }

    public void Dispose() => _digest.Dispose();

    private void Read(int type, string name)
    {
        switch (type)
        {
            case 0:
                _digest.Begin(ValueShape.Text, name);
                _digest.Element(input.ReadString());
                break;
            case 1:
                Elements(ValueShape.Sequence, name, 1);
                break;
            case 2:
                Elements(ValueShape.Set, name, 1);
                break;
            case 4:
                Elements(ValueShape.Pairs, name, 2);
                break;
            case 3 or 5:
                Scores(name, isText: type == 3);
                break;
            case 7:
                _digest.Begin(ValueShape.Sequence, name);
                Module();
                break;
            case 9:
                Packed(ValueShape.Pairs, name, PackedValues.Zipmap);
                break;
            case 10:
                Packed(ValueShape.Sequence, name, PackedValues.Ziplist);
                break;
            case 11:
                Packed(ValueShape.Set, name, PackedValues.Intset);
                break;
            case 12:
                Packed(ValueShape.Scores, name, PackedValues.Ziplist);
                break;
            case 13:
                Packed(ValueShape.Pairs, name, PackedValues.Ziplist);
                break;
            case 16:
                Packed(ValueShape.Pairs, name, PackedValues.Listpack);
                break;
            case 17:
                Packed(ValueShape.Scores, name, PackedValues.Listpack);
                break;
            case 20:
                Packed(ValueShape.Set, name, PackedValues.Listpack);
                break;
            case 14 or 18:
                Quicklist(name, hasContainers: type == 18);
                break;
            default:
                _digest.Begin(ValueShape.Sequence, name);
                Stream(type);
                break;
        }
    }

    private void Elements(ValueShape shape, string name, int each)
    {
        _digest.Begin(shape, name);
        for (var count = input.ReadLength() * each; count > 0; count--)
        {
            _digest.Element(input.ReadString());
        }
    }

    private void Packed(ValueShape shape, string name, Unpacking unpack)
    {
        _digest.Begin(shape, name);
        unpack(input.ReadString(), _digest.Element);
    }

    private void Scores(string name, bool isText)
    {
        _digest.Begin(ValueShape.Scores, name);
        for (var count = input.ReadLength(); count > 0; count--)
        {
            _digest.Element(input.ReadString());
            _digest.Score(isText ? TextScore() : BitConverter.Int64BitsToDouble(input.ReadInt64()));
        }
    }

    private double TextScore()
    {
        var length = input.ReadByte();
        if (length >= 253)
        {
            return length switch { 253 => double.NaN, 254 => double.PositiveInfinity, _ => double.NegativeInfinity };
        }

        Span<byte> text = stackalloc byte[length];
        input.Read(text);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var score) ? score : throw input.Damaged("a score is no number");
    }

    private void Quicklist(string name, bool hasContainers)
    {
        const int Plain = 1;
        _digest.Begin(ValueShape.Sequence, name);
        for (var nodes = input.ReadLength(); nodes > 0; nodes--)
        {
            var container = hasContainers ? input.ReadLength() : 0;
            var node = input.ReadString();
            if (container == Plain)
            {
                _digest.Element(node);
            }
            else if (hasContainers)
            {
                PackedValues.Listpack(node, _digest.Element);
            }
            else
            {
                PackedValues.Ziplist(node, _digest.Element);
            }
        }
    }

    /// <summary>
    /// What newer servers add about a stream (first id, entries ever added, when a consumer was last active) is read and left
    /// out of the digest: a newer scratch server makes it up for older snapshots.
    /// </summary>
    private void Stream(int type)
    {
        for (var nodes = input.ReadLength(); nodes > 0; nodes--)
        {
            _digest.Element(input.ReadString());
            _digest.Element(input.ReadString());
        }

        // How many entries, and the last id.
        Numbers(3);
        if (type >= 19)
        {
            Skip(5);
        }

        for (var groups = input.ReadLength(); groups > 0; groups--)
        {
            _digest.Element(input.ReadString());
            Numbers(2);
            if (type >= 19)
            {
                Skip(1);
            }

            Group(type);
        }
    }

    private void Group(int type)
    {
        Span<byte> id = stackalloc byte[16];
        for (var pending = input.ReadLength(); pending > 0; pending--)
        {
            input.Read(id);
            _digest.Element(id);
            _digest.Number(input.ReadInt64());
            Numbers(1);
        }

        for (var consumers = input.ReadLength(); consumers > 0; consumers--)
        {
            _digest.Element(input.ReadString());
            _digest.Number(input.ReadInt64());
            if (type >= 21)
            {
                input.ReadInt64();
            }

            for (var pending = input.ReadLength(); pending > 0; pending--)
            {
                input.Read(id);
                _digest.Element(id);
            }
        }
    }

    private void Module()
    {
        _digest.Number(input.ReadLength());
        ModuleParts(input, _digest);
    }

    /// <summary>What a module wrote: parts that say of themselves how long they are.</summary>
    internal static void ModuleParts(RdbInput input, ValueDigest? digest)
    {
        Span<byte> bytes = stackalloc byte[8];
        while (true)
        {
            switch (input.ReadLength())
            {
                case 0:
                    return;
                case 1 or 2:
                    var number = input.ReadLength();
                    digest?.Number(number);
                    break;
                case 3:
                    input.Read(bytes[..4]);
                    digest?.Element(bytes[..4]);
                    break;
                case 4:
                    input.Read(bytes);
                    digest?.Element(bytes);
                    break;
                case 5:
                    var text = input.ReadString();
                    if (digest is not null)
                    {
                        digest.Element(text);
                    }

                    break;
                case var other:
                    throw input.Damaged(string.Create(CultureInfo.InvariantCulture, $"{other} begins no part of a module's value"));
            }
        }
    }

    private void Numbers(int count)
    {
        for (; count > 0; count--)
        {
            _digest.Number(input.ReadLength());
        }
    }

    private void Skip(int count)
    {
        for (; count > 0; count--)
        {
            input.ReadLength();
        }
    }

    private delegate void Unpacking(ReadOnlySpan<byte> blob, ElementConsumer consume);
}
