using System.Text;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// What a backup leaves out, in the words of .gitignore: one pattern a line, <c>#</c> begins a comment, <c>!</c> takes back,
/// a final <c>/</c> means directories only, a <c>/</c> at the beginning or within ties the pattern to the tree's root,
/// <c>*</c>, <c>?</c> and <c>[a-z]</c> stay within a name, <c>**</c> stands for any number of directories. The last pattern
/// that matches decides. What lies below a directory that is left out cannot be taken back, since nobody looks there.
/// </summary>
internal sealed class ExclusionRules
{
    private readonly List<Rule> _rules = [];

    public ExclusionRules(IEnumerable<string> patterns)
    {
        foreach (var pattern in patterns)
        {
            if (Parse(pattern) is { } rule)
            {
                _rules.Add(rule);
            }
        }
    }

    public bool IsEmpty => _rules.Count == 0;

    /// <summary>True where this item is left out, provided that no directory above it is.</summary>
    /// <param name="path">Relative to the tree's root.</param>
    /// <param name="isDirectory">What it is; a symbolic link is no directory.</param>
    public bool Excludes(ReadOnlySpan<byte> path, bool isDirectory)
    {
        for (var i = _rules.Count - 1; i >= 0; i--)
        {
            var rule = _rules[i];
            if ((isDirectory || !rule.DirectoriesOnly) && Matches(rule.Parts, path))
            {
                return !rule.TakesBack;
            }
        }

        return false;
    }

    private static Rule? Parse(string line)
    {
        var text = line.TrimEnd('\r');
        // Blanks at the end do not count, unless the last one is escaped.
        while (text.EndsWith(' ') && !text.EndsWith("\\ ", StringComparison.Ordinal))
        {
            text = text[..^1];
        }

        if (text.Length == 0 || text[0] == '#')
        {
            return null;
        }

        var takesBack = text[0] == '!';
        text = takesBack ? text[1..] : text;
        var directoriesOnly = text.EndsWith('/');
        text = text.TrimEnd('/');
        if (text.Length == 0)
        {
            return null;
        }

        var isTied = text.Contains('/', StringComparison.Ordinal);
        var parts = text.TrimStart('/').Split('/').Select(Encoding.UTF8.GetBytes).ToList();
        if (!isTied)
        {
            parts.Insert(0, "**"u8.ToArray());
        }

        return new Rule([.. parts], directoriesOnly, takesBack);
    }

    private static bool Matches(ReadOnlySpan<byte[]> parts, ReadOnlySpan<byte> path)
    {
        if (parts.IsEmpty)
        {
            return path.IsEmpty;
        }

        if (parts[0].AsSpan().SequenceEqual("**"u8))
        {
            if (parts.Length == 1)
            {
                // At the end it means everything below, but not the directory itself.
                return !path.IsEmpty;
            }

            for (var rest = path; ; rest = rest[(rest.IndexOf((byte)'/') + 1)..])
            {
                if (Matches(parts[1..], rest))
                {
                    return true;
                }

                if (!rest.Contains((byte)'/'))
                {
                    return false;
                }
            }
        }

        var slash = path.IndexOf((byte)'/');
        var name = slash < 0 ? path : path[..slash];
        return !name.IsEmpty && MatchesName(parts[0], name) && Matches(parts[1..], slash < 0 ? [] : path[(slash + 1)..]);
    }

    /// <summary>Matches within one name; a star goes back only to the last one before it, so the effort stays small.</summary>
    private static bool MatchesName(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name)
    {
        var (at, p, starAt, starP) = (0, 0, -1, -1);
        while (at < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                (starAt, starP) = (at, ++p);
            }
            else if (p < pattern.Length && TryMatchOne(pattern, name[at], p, out var next))
            {
                (at, p) = (at + 1, next);
            }
            else if (starP >= 0)
            {
                (at, p) = (++starAt, starP);
            }
            else
            {
                return false;
            }
        }

        return pattern[p..].Trim((byte)'*').IsEmpty;
    }

    private static bool TryMatchOne(ReadOnlySpan<byte> pattern, byte letter, int at, out int next)
    {
        next = at + 1;
        switch (pattern[at])
        {
            case (byte)'?':
                return true;
            case (byte)'[' when TryMatchClass(pattern[at..], letter, out var length, out var isMatch):
                next = at + length;
                return isMatch;
            case (byte)'\\' when at + 1 < pattern.Length:
                next = at + 2;
                return pattern[at + 1] == letter;
            default:
                return pattern[at] == letter;
        }
    }

    /// <summary>A class such as <c>[a-z_]</c> or <c>[!0-9]</c>; false where it is not closed, then [ is a letter.</summary>
    private static bool TryMatchClass(ReadOnlySpan<byte> pattern, byte letter, out int length, out bool isMatch)
    {
        var at = 1;
        var isNegated = at < pattern.Length && pattern[at] is (byte)'!' or (byte)'^';
        at += isNegated ? 1 : 0;
        var isFound = false;
        for (var first = at; at < pattern.Length && (pattern[at] != ']' || at == first); at++)
        {
            if (at + 2 < pattern.Length && pattern[at + 1] == '-' && pattern[at + 2] != ']')
            {
                isFound |= letter >= pattern[at] && letter <= pattern[at + 2];
                at += 2;
            }
            else
            {
                isFound |= pattern[at] == letter;
            }
        }

        (length, isMatch) = (at + 1, isFound != isNegated);
        return at < pattern.Length;
    }

    private sealed record Rule(byte[][] Parts, bool DirectoriesOnly, bool TakesBack);
}
