using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>What sort of answer a server gave.</summary>
public enum RespKind
{
    /// <summary>A status line or a string; see <see cref="RespValue.Bytes"/>.</summary>
    Text,

    /// <summary>The server refuses; the text begins with the refusal's word in capitals.</summary>
    Error,

    Integer,

    Array,

    Null,
}

/// <summary>One answer.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">Of a text or error.</param>
/// <param name="Integer">Of an integer.</param>
/// <param name="Items">Of an array.</param>
public sealed record RespValue(RespKind Kind, byte[] Bytes, long Integer, IReadOnlyList<RespValue> Items)
{
    public static RespValue Nothing { get; } = new(RespKind.Null, [], 0, []);

    public bool IsError => Kind == RespKind.Error;

    /// <summary>Text, error or integer as text.</summary>
    public string Text => Kind == RespKind.Integer ? Integer.ToString(CultureInfo.InvariantCulture) : Encoding.UTF8.GetString(Bytes);
}
