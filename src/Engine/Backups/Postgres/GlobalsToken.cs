using System.Text;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

internal enum GlobalsTokenKind
{
    Word,
    QuotedName,
    Text,
    Symbol,
}

/// <summary>One token of pg_dumpall's output: a bare word, a quoted name, a text literal, or a symbol.</summary>
internal readonly record struct GlobalsToken(GlobalsTokenKind Kind, string Value)
{
    public bool Is(string word) => Kind == GlobalsTokenKind.Word && string.Equals(Value, word, StringComparison.OrdinalIgnoreCase);

    /// <summary>The token as a name: quoted as it stands, bare folded to lower case as the server does.</summary>
    public string? AsName() => Kind switch
    {
        GlobalsTokenKind.QuotedName => Value,
        GlobalsTokenKind.Word => Value.ToLowerInvariant(),
        _ => null,
    };
}

/// <summary>
/// Cuts pg_dumpall's output into statements of tokens. It knows comments, quoted names, plain and E'' literals and psql's
/// backslash lines (<c>\restrict</c>, <c>\connect</c>), and nothing else: what it cannot cut is damage, never guessed at.
/// </summary>
internal sealed class GlobalsLexer(string text)
{
    private int _at;

    public IEnumerable<IReadOnlyList<GlobalsToken>> Statements()
    {
        var statement = new List<GlobalsToken>();
        while (Next(atStart: statement.Count == 0) is { } token)
        {
            if (token is { Kind: GlobalsTokenKind.Symbol, Value: ";" })
            {
                yield return statement;
                statement = [];
            }
            else
            {
                statement.Add(token);
            }
        }

        if (statement.Count > 0)
        {
            throw Damaged("it ends inside a statement");
        }
    }

    private GlobalsToken? Next(bool atStart)
    {
        SkipBlanks(atStart);
        if (_at >= text.Length)
        {
            return null;
        }

        var c = text[_at];
        if (c == '"')
        {
            return new GlobalsToken(GlobalsTokenKind.QuotedName, ReadQuoted('"', escapes: false));
        }

        if (c == '\'')
        {
            return new GlobalsToken(GlobalsTokenKind.Text, ReadQuoted('\'', escapes: false));
        }

        if (c is 'E' or 'e' && _at + 1 < text.Length && text[_at + 1] == '\'')
        {
            _at++;
            return new GlobalsToken(GlobalsTokenKind.Text, ReadQuoted('\'', escapes: true));
        }

        if (!IsWord(c))
        {
            _at++;
            return new GlobalsToken(GlobalsTokenKind.Symbol, c.ToString());
        }

        var start = _at;
        while (_at < text.Length && IsWord(text[_at]))
        {
            _at++;
        }

        return new GlobalsToken(GlobalsTokenKind.Word, text[start.._at]);
    }

    private void SkipBlanks(bool atStart)
    {
        while (_at < text.Length)
        {
            if (char.IsWhiteSpace(text[_at]))
            {
                _at++;
            }
            else if (text[_at] == '-' && _at + 1 < text.Length && text[_at + 1] == '-' || atStart && text[_at] == '\\')
            {
                var end = text.IndexOf('\n', _at);
                _at = end < 0 ? text.Length : end + 1;
            }
            else
            {
                return;
            }
        }
    }

    private string ReadQuoted(char quote, bool escapes)
    {
        var value = new StringBuilder();
        for (_at++; _at < text.Length; _at++)
        {
            var c = text[_at];
            var next = _at + 1 < text.Length ? text[_at + 1] : '\0';
            if (c == quote && next != quote)
            {
                _at++;
                return value.ToString();
            }

            // A doubled quote, and in E'' literals a backslash, stand for the character that follows: pg_dumpall
            // writes only \\ there.
            if (c == quote || (escapes && c == '\\'))
            {
                _at++;
                c = next;
            }

            value.Append(c);
        }

        throw Damaged("it ends inside a quoted text");
    }

    // Everything outside ASCII may be part of a name, as on the server; + and - occur in numbers.
    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '-' or '+' or '.' || c > 127;

    private static EngineException Damaged(string cause) => new(
        "globals-damaged", ErrorKind.Damaged, $"the roles of this restore point cannot be read: {cause}", "take a new backup");
}
