using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Kinds;

/// <summary>What is known of a restore point's content, whoever asks.</summary>
/// <param name="Facts">As the driver of its kind wrote them.</param>
/// <param name="Bytes">Size of its artifacts.</param>
/// <param name="StoredBytes">What it added to the tier that it was captured into.</param>
internal sealed record PointContent(JsonElement Facts, long? Bytes, long? StoredBytes);

/// <summary>
/// One kind of source in the reader's words: what it is called, where one is, and what matters of its restore points. A new kind is a new
/// one of these; pages ask them alike.
/// </summary>
internal abstract class KindWords
{
    private static readonly Dictionary<SourceKind, KindWords> s_all = new KindWords[] { new PostgresWords(), new RedisWords(), new VolumeWords(), new ClusterWords() }.ToDictionary(words => words.Kind);

    /// <summary>The kind.</summary>
    public abstract SourceKind Kind { get; }

    /// <summary>What it is called.</summary>
    public abstract string Name { get; }

    /// <summary>Its picture, from <see cref="IconShape"/>.</summary>
    public abstract string Icon { get; }

    /// <summary>What its backups cost a source, as heads of a table; empty where nobody measures that.</summary>
    public virtual IReadOnlyList<string> CostColumns => [];

    /// <summary>The words of a kind.</summary>
    public static KindWords Of(SourceKind kind) => s_all[kind];

    /// <summary>What matters of a restore point; nothing where it does not say.</summary>
    public static KindSheet SheetOf(RestorePointRow point, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(point);
        // Manifests name the kind in lower case; a repository may hold points of a kind that no source has.
        return point.FactsJson is { } json && Enum.TryParse<SourceKind>(point.Kind, ignoreCase: true, out var kind) && s_all.TryGetValue(kind, out var words)
            ? words.Read(new PointContent(JsonElement.Parse(json), point.Bytes, point.StoredBytes), time)
            : KindSheet.None;
    }

    /// <summary>The same of the newest restore point of a source.</summary>
    public static KindSheet SheetOf(SourceStanding standing, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(standing);
        var facts = standing.Facts;
        return facts.NewestFactsJson is { } json
            ? Of(standing.Source.Kind).Read(new PointContent(JsonElement.Parse(json), facts.NewestBytes, facts.NewestStoredBytes), time)
            : KindSheet.None;
    }

    /// <summary>Where a source of this kind is and how it is read, as its page says it.</summary>
    public abstract IEnumerable<NamedFact> Of(Source source);

    /// <summary>What matters of a restore point of this kind; nothing where its facts are not understood.</summary>
    public abstract KindSheet Read(PointContent content, TimeProvider time);
}
