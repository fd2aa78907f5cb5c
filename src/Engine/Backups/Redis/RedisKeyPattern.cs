using System.Text;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>A pattern as <c>KEYS</c> takes it: <c>*</c>, <c>?</c>, <c>[abc]</c>, <c>[^a-z]</c>, and a backslash before what is meant itself.</summary>
internal sealed class RedisKeyPattern(string pattern)
{
    private readonly byte[] _pattern = Encoding.UTF8.GetBytes(pattern);

    public bool Matches(ReadOnlySpan<byte> key) => Matches(_pattern, key);

    private static bool Matches(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> key)
    {
        // Where the last star stood, and how much of the key it has taken: on a mismatch it takes one more.
        var star = -1;
        var taken = 0;
        var at = 0;
        var from = 0;
        while (at < key.Length)
        {
            if (from < pattern.Length && pattern[from] == (byte)'*')
            {
                star = ++from;
                taken = at;
                continue;
            }

            if (from < pattern.Length && MatchesOne(pattern[from..], key[at], out var used))
            {
                from += used;
                at++;
                continue;
            }

            if (star < 0)
            {
                return false;
            }

            from = star;
            at = ++taken;
        }

        while (from < pattern.Length && pattern[from] == (byte)'*')
        {
            from++;
        }

        return from == pattern.Length;
    }

    private static bool MatchesOne(ReadOnlySpan<byte> pattern, byte one, out int used)
    {
        used = 1;
        switch (pattern[0])
        {
            case (byte)'?':
                return true;
            case (byte)'\\' when pattern.Length > 1:
                used = 2;
                return pattern[1] == one;
            case (byte)'[':
                return MatchesClass(pattern, one, out used);
            default:
                return pattern[0] == one;
        }
    }

    private static bool MatchesClass(ReadOnlySpan<byte> pattern, byte one, out int used)
    {
        var at = 1;
        var isNegated = at < pattern.Length && pattern[at] == (byte)'^';
        at += isNegated ? 1 : 0;
        var isIn = false;
        while (at < pattern.Length && pattern[at] != (byte)']')
        {
            if (pattern[at] == (byte)'\\' && at + 1 < pattern.Length)
            {
                at++;
            }

            if (at + 2 < pattern.Length && pattern[at + 1] == (byte)'-' && pattern[at + 2] != (byte)']')
            {
                isIn |= one >= Math.Min(pattern[at], pattern[at + 2]) && one <= Math.Max(pattern[at], pattern[at + 2]);
                at += 3;
                continue;
            }

            isIn |= pattern[at] == one;
            at++;
        }

        used = Math.Min(at + 1, pattern.Length);
        return isIn != isNegated;
    }
}
