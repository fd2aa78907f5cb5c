using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>A place in PostgreSQL's write-ahead log: the number of bytes before it. Prints as the server does, <c>0/16B3748</c>.</summary>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>
{
    /// <summary>Reads two hexadecimal numbers of up to 8 digits with a slash between them.</summary>
    /// <exception cref="EngineException">Kind Input where it is no LSN.</exception>
    public static Lsn Parse(string text) => TryParse(text, out var lsn) ? lsn : throw new EngineException(
        "lsn-invalid", ErrorKind.Input, $"'{text}' is no log sequence number", "write it as the server prints it, for example 0/16B3748");

    /// <summary>True where the text is an LSN.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Lsn lsn)
    {
        lsn = default;
        if (text is null || text.IndexOf('/', StringComparison.Ordinal) is not (> 0 and <= 8 and var slash) || text.Length - slash - 1 is < 1 or > 8)
        {
            return false;
        }

        if (!uint.TryParse(text.AsSpan(0, slash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !uint.TryParse(text.AsSpan(slash + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
        {
            return false;
        }

        lsn = new Lsn(((ulong)high << 32) | low);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Value >> 32:X}/{Value & uint.MaxValue:X}");

    /// <summary>True where the left one comes earlier.</summary>
    public static bool operator <(Lsn left, Lsn right) => left.Value < right.Value;

    /// <summary>True where the left one comes earlier or both are the same.</summary>
    public static bool operator <=(Lsn left, Lsn right) => left.Value <= right.Value;

    /// <summary>True where the left one comes later.</summary>
    public static bool operator >(Lsn left, Lsn right) => left.Value > right.Value;

    /// <summary>True where the left one comes later or both are the same.</summary>
    public static bool operator >=(Lsn left, Lsn right) => left.Value >= right.Value;
}
