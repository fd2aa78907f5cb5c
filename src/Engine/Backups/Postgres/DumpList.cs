using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>One entry of a dump's table of contents.</summary>
/// <param name="Line">As <c>pg_restore --list</c> prints it.</param>
/// <param name="Description">What follows the three numbers: type, schema, name and owner.</param>
internal sealed record DumpEntry(string Line, string Description);

/// <summary>A custom-format dump's table of contents as <c>pg_restore --list</c> prints it.</summary>
internal sealed partial class DumpList
{
    private DumpList(IReadOnlyList<DumpEntry> entries) => Entries = entries;

    public IReadOnlyList<DumpEntry> Entries { get; }

    /// <exception cref="EngineException">The text holds no entry.</exception>
    public static DumpList Parse(string text)
    {
        var entries = text.Split('\n').Select(line => (Line: line, Match: EntryPattern().Match(line))).Where(line => line.Match.Success)
            .Select(line => new DumpEntry(line.Line, line.Match.Groups["rest"].Value)).ToList();
        return entries.Count > 0 ? new DumpList(entries) : throw new EngineException(
            "dump-empty", ErrorKind.Damaged, "the dump's table of contents is empty", "take a new backup");
    }

    /// <summary>True where the dump carries the structure of the table.</summary>
    public bool HasTable(string schema, string name) => Has($"TABLE {Clean(schema)} {Clean(name)} ");

    /// <summary>True where the dump carries rows of the table.</summary>
    public bool HasRows(string schema, string name) => Has($"TABLE DATA {Clean(schema)} {Clean(name)} ");

    /// <summary>
    /// The list without the foreign keys named, and without comments on extensions where asked: only the server's first
    /// superuser owns a trusted extension, so that nobody else can comment on it. It is what <c>pg_restore --use-list</c> takes.
    /// </summary>
    public string Without(IReadOnlyList<DanglingForeignKey> keys, bool extensionComments)
    {
        List<string> left = [.. keys.Select(key => $"FK CONSTRAINT {Clean(key.Schema)} {Clean(key.Table)} {Clean(key.Name)} ")];
        if (extensionComments)
        {
            left.Add("COMMENT - EXTENSION ");
        }

        return string.Join('\n', Entries
            .Where(entry => !left.Any(key => entry.Description.StartsWith(key, StringComparison.Ordinal))).Select(entry => entry.Line)) + "\n";
    }

    private bool Has(string start) => Entries.Any(entry => entry.Description.StartsWith(start, StringComparison.Ordinal));

    // pg_restore replaces line ends in names, so that a name cannot forge an entry.
    private static string Clean(string name) => name.Replace('\n', ' ').Replace('\r', ' ');

    [GeneratedRegex(@"^\d+; \d+ \d+ (?<rest>.+)$")]
    private static partial Regex EntryPattern();
}
