using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// Paths of a tree as text and back without loss. Paths are bytes: control characters and bytes that are no UTF-8 are written
/// <c>\xHH</c>, a backslash is written twice.
/// </summary>
public static class PathText
{
    /// <summary>Bytes as text.</summary>
    public static string Of(ReadOnlySpan<byte> path)
    {
        var text = new StringBuilder(path.Length);
        while (!path.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(path, out var rune, out var length);
            if (status != System.Buffers.OperationStatus.Done || Rune.IsControl(rune))
            {
                foreach (var value in path[..length])
                {
                    text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}");
                }
            }
            else
            {
                text.Append(rune.Value == '\\' ? "\\\\" : rune.ToString());
            }

            path = path[length..];
        }

        return text.ToString();
    }

    /// <summary>Text as bytes; slashes at both ends do not count.</summary>
    /// <exception cref="EngineException">Kind Input for a backslash that begins no escape, or a part that is empty, . or ..</exception>
    public static byte[] Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var trimmed = text.Trim('/');
        var bytes = new List<byte>(trimmed.Length);
        for (var i = 0; i < trimmed.Length;)
        {
            var escape = trimmed.AsSpan(i);
            if (escape[0] != '\\')
            {
                var end = escape.IndexOf('\\');
                var plain = end < 0 ? escape : escape[..end];
                bytes.AddRange(Encoding.UTF8.GetBytes(plain.ToString()));
                i += plain.Length;
            }
            else if (escape.StartsWith(@"\\"))
            {
                bytes.Add((byte)'\\');
                i += 2;
            }
            else if (escape.Length >= 4 && escape[1] == 'x' && byte.TryParse(escape[2..4], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value) && value != 0)
            {
                bytes.Add(value);
                i += 4;
            }
            else
            {
                throw Invalid(text, @"write a backslash as \\ and other bytes as \xHH");
            }
        }

        return trimmed.Length > 0 && trimmed.Split('/').Any(part => part is "" or "." or "..")
            ? throw Invalid(text, "write it from the tree's root, without . and ..") : [.. bytes];
    }

    private static EngineException Invalid(string text, string hint) => new("tree-path-invalid", ErrorKind.Input, $"'{text}' is no path of a tree", hint);
}
