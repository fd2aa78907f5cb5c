using System.Globalization;
using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

public enum FactOutcome
{
    Equal,
    Differs,
    Missing,
    Extra,

    /// <summary>It differs in a way that a faithful restore may differ; the note says why.</summary>
    Noted,
}

/// <summary>One object of the comparison: what the dump's snapshot held and what the restored database holds.</summary>
public sealed record FactResult(string Kind, string Name, FactOutcome Outcome, string? Expected = null, string? Found = null, string? Note = null)
{
    /// <summary>The result as one line for a log or a step's reason.</summary>
    public string ToText() => Outcome switch
    {
        FactOutcome.Missing => $"{Kind} {Name} is missing",
        FactOutcome.Extra => $"{Kind} {Name} is not in the source",
        FactOutcome.Equal => $"{Kind} {Name} is equal",
        _ => $"{Kind} {Name}: expected {Expected}, found {Found}{(Note is null ? "" : $" ({Note})")}",
    };
}

/// <summary>Every object compared on its own, so that no sum hides a difference.</summary>
public sealed record FactsComparison(IReadOnlyList<FactResult> Results)
{
    /// <summary>True where something was compared and nothing differs, is missing or too much.</summary>
    public bool AllEqual => Results.Count > 0 && !Faults.Any();

    [JsonIgnore]
    public IEnumerable<FactResult> Faults =>
        Results.Where(result => result.Outcome is FactOutcome.Differs or FactOutcome.Missing or FactOutcome.Extra);

    private const int NumbersLoggedAhead = 32;

    public int EqualCount => Results.Count(result => result.Outcome == FactOutcome.Equal);

    /// <summary>The same with at most <paramref name="maximum"/> results, faults first, notes next: what an attestation carries.</summary>
    public FactsComparison Bounded(int maximum) => new([.. Results.OrderBy(result => result.Outcome switch
    {
        FactOutcome.Equal => 2,
        FactOutcome.Noted => 1,
        _ => 0,
    }).Take(maximum)]);

    /// <summary>
    /// Compares a source's facts with those of a database restored from it; without owners and grants where the restore
    /// left them out.
    /// </summary>
    /// <param name="isReplayed">
    /// True for a database that WAL was replayed into: its sequences may stand up to 32 numbers further, since that is how far
    /// ahead PostgreSQL logs them.
    /// </param>
    public static FactsComparison Compare(ContentFacts source, ContentFacts restored, bool withOwnersAndGrants = true, bool isReplayed = false)
    {
        var results = new List<FactResult>();
        CompareDatabase(source, restored, results);
        CompareTables(source, restored, results);
        CompareSequences(source, restored, isReplayed ? NumbersLoggedAhead : 0, results);
        if (source.LargeObjects is { } objects)
        {
            results.Add(Judge("large objects", "all", objects.ToFactText(), restored.LargeObjects?.ToFactText()));
        }

        CompareExtensions(source, restored, results);
        var kinds = source.Structure.Concat(restored.Structure).Select(kind => kind.Kind).Distinct(StringComparer.Ordinal);
        foreach (var kind in kinds.Where(kind => withOwnersAndGrants || !StructureQuery.IsAboutRoles(kind)))
        {
            CompareStructure(
                source.Structure.FirstOrDefault(one => one.Kind == kind) ?? new StructureFacts(kind, 0, "none", []),
                restored.Structure.FirstOrDefault(one => one.Kind == kind), source.DanglingForeignKeys, results);
        }

        return new FactsComparison(results);
    }

    private static void CompareDatabase(ContentFacts source, ContentFacts restored, List<FactResult> results)
    {
        results.Add(Judge("encoding", source.Database, source.Locale.Encoding, restored.Locale.Encoding));
        results.Add(Judge("collation", source.Database, source.Locale.Collate, restored.Locale.Collate));
        if (source.Locale.CollationVersion != restored.Locale.CollationVersion)
        {
            results.Add(new FactResult("collation version", source.Database, FactOutcome.Noted,
                source.Locale.CollationVersion ?? "none", restored.Locale.CollationVersion ?? "none", "text may sort differently here"));
        }
    }

    private static void CompareTables(ContentFacts source, ContentFacts restored, List<FactResult> results)
    {
        var found = restored.Tables.ToDictionary(table => (table.Schema, table.Name));
        foreach (var table in source.Tables)
        {
            if (!found.Remove((table.Schema, table.Name), out var other))
            {
                results.Add(new FactResult("table", table.FullName, FactOutcome.Missing));
                continue;
            }

            if (table.Method != DigestMethod.None && table.Method != other.Method)
            {
                results.Add(new FactResult("table", table.FullName, FactOutcome.Differs, $"{table.Method} digest", $"{other.Method} digest",
                    "the digests cannot be compared"));
                continue;
            }

            results.Add(Judge("table", table.FullName, table.ToFactText(), other.ToFactText()));
        }

        if (source.AllTables)
        {
            results.AddRange(found.Values.Select(table => new FactResult("table", table.FullName, FactOutcome.Extra)));
        }
    }

    private static void CompareSequences(ContentFacts source, ContentFacts restored, int ahead, List<FactResult> results)
    {
        var found = restored.Sequences.ToDictionary(sequence => (sequence.Schema, sequence.Name));
        foreach (var sequence in source.Sequences)
        {
            results.Add(found.Remove((sequence.Schema, sequence.Name), out var other)
                ? JudgeSequence(sequence, other, ahead)
                : new FactResult("sequence", sequence.FullName, FactOutcome.Missing));
        }

        results.AddRange(found.Values.Select(sequence => new FactResult("sequence", sequence.FullName, FactOutcome.Extra)));
    }

    private static FactResult JudgeSequence(SequenceFacts source, SequenceFacts restored, int ahead)
    {
        if (ahead > 0 && IsAhead(source, restored, ahead))
        {
            return new FactResult("sequence", source.FullName, FactOutcome.Noted, Text(source.LastValueAfter, source.IsCalledAfter), Text(restored.LastValue, restored.IsCalled),
                "a sequence that is replayed skips the numbers that were logged ahead");
        }

        var idle = source.LastValue == source.LastValueAfter && source.IsCalled == source.IsCalledAfter;
        if (idle)
        {
            return Judge("sequence", source.FullName, Text(source.LastValue, source.IsCalled), Text(restored.LastValue, restored.IsCalled));
        }

        var low = Math.Min(source.LastValue, source.LastValueAfter);
        var high = Math.Max(source.LastValue, source.LastValueAfter);
        var expected = $"{low} to {high}";
        var forward = source.Increment > 0 == source.LastValueAfter >= source.LastValue;
        var inside = restored.LastValue >= low && restored.LastValue <= high;
        var outcome = inside ? FactOutcome.Equal : forward ? FactOutcome.Differs : FactOutcome.Noted;
        return new FactResult("sequence", source.FullName, outcome, expected, Text(restored.LastValue, restored.IsCalled),
            forward ? "it moved while the dump ran" : "it was reset while the dump ran");

        static string Text(long value, bool called) => $"{value.ToString(CultureInfo.InvariantCulture)}{(called ? "" : " not yet used")}";
    }

    private static bool IsAhead(SequenceFacts source, SequenceFacts restored, int ahead)
    {
        var steps = (restored.LastValue - source.LastValueAfter) / source.Increment;
        return steps > 0 && steps <= ahead && restored.IsCalled;
    }

    private static void CompareExtensions(ContentFacts source, ContentFacts restored, List<FactResult> results)
    {
        var found = restored.Extensions.ToDictionary(extension => extension.Name, extension => extension.Version);
        foreach (var extension in source.Extensions)
        {
            results.Add(!found.Remove(extension.Name, out var version)
                ? new FactResult("extension", extension.Name, FactOutcome.Missing, extension.Version)
                : version == extension.Version
                    ? new FactResult("extension", extension.Name, FactOutcome.Equal, extension.Version, version)
                    : new FactResult("extension", extension.Name, FactOutcome.Noted, extension.Version, version,
                        "a restore installs the version that its server offers"));
        }

        results.AddRange(found.Select(extension => new FactResult("extension", extension.Key, FactOutcome.Extra)));
    }

    private static void CompareStructure(
        StructureFacts source, StructureFacts? restored, IReadOnlyList<DanglingForeignKey> dangling, List<FactResult> results)
    {
        var leftOut = source.Kind == StructureQuery.ForeignKeyKind
            ? dangling.Select(key => $"{key.Schema}.{key.Table}.{key.Name}").ToHashSet(StringComparer.Ordinal)
            : [];
        if (source.Digest == restored?.Digest)
        {
            results.Add(new FactResult(source.Kind, "all", FactOutcome.Equal, Count(source), Count(restored)));
            return;
        }

        // A kind of which nothing is there is not in the facts at all.
        var names = restored is null ? [] : restored.Names;
        if (source.Names is null || names is null)
        {
            results.Add(new FactResult(source.Kind, "all", FactOutcome.Differs, $"{Count(source)} with digest {source.Digest}",
                $"{Count(restored)} with digest {restored?.Digest}"));
            return;
        }

        var missing = source.Names.Except(names, StringComparer.Ordinal).ToList();
        results.AddRange(missing.Select(name => leftOut.Contains(name)
            ? new FactResult(source.Kind, name, FactOutcome.Noted, "present", "left out", "the rows it refers to are not in the dump")
            : new FactResult(source.Kind, name, FactOutcome.Missing)));
        results.AddRange(names.Except(source.Names, StringComparer.Ordinal)
            .Select(name => new FactResult(source.Kind, name, FactOutcome.Extra)));
        if (source.Names.Count > missing.Count)
        {
            results.Add(new FactResult(source.Kind, "the others", FactOutcome.Equal,
                (source.Names.Count - missing.Count).ToString(CultureInfo.InvariantCulture)));
        }

        static string Count(StructureFacts? facts) => (facts?.Count ?? 0).ToString(CultureInfo.InvariantCulture);
    }

    private static FactResult Judge(string kind, string name, string expected, string? found) =>
        new(kind, name, expected == found ? FactOutcome.Equal : FactOutcome.Differs, expected, found ?? "nothing");
}

internal static class FactText
{
    public static string ToFactText(this TableFacts table) => table.Method == DigestMethod.None
        ? $"columns {table.Columns}"
        : $"{table.Rows} rows, digest {table.Digest}, columns {table.Columns}";

    public static string ToFactText(this LargeObjectFacts objects) =>
        $"{objects.Count} objects, {objects.Bytes} bytes, digest {objects.Digest}";
}
