namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A column of a <see cref="KindTable"/>.</summary>
/// <param name="Name">Its head.</param>
/// <param name="IsNumber">True where its values are numbers, which stand right.</param>
public sealed record KindColumn(string Name, bool IsNumber = true);

/// <summary>Figures of several things of one sort: the databases of a Redis.</summary>
/// <param name="Title">What they are.</param>
/// <param name="Rows">As many values in each as there are columns; the first names the row.</param>
public sealed record KindTable(string Title, IReadOnlyList<KindColumn> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>
/// What matters of one restore point, in the words of its source's kind: the kind makes it, pages show it and ask for no kind. Each
/// figure was measured; where nobody did, it is missing, or <see cref="Unknown"/> where its place stays.
/// </summary>
public sealed record KindSheet
{
    /// <summary>Stands for a figure that nobody measured.</summary>
    public const string Unknown = "–";

    /// <summary>Nothing is known.</summary>
    public static KindSheet None { get; } = new();

    /// <summary>What it holds, in one line; null where it does not say.</summary>
    public string? Holds { get; init; }

    /// <summary>What reading it cost the source, in one line; null where nobody measured.</summary>
    public string? Cost { get; init; }

    /// <summary>The two figures that matter most, for a node of the graph.</summary>
    public IReadOnlyList<NamedFact> Brief { get; init; } = [];

    /// <summary>What it holds and how it was read.</summary>
    public IReadOnlyList<NamedFact> Facts { get; init; } = [];

    /// <summary>What reading it cost the source.</summary>
    public IReadOnlyList<NamedFact> CostFacts { get; init; } = [];

    /// <summary>The same as a row of a table of several backups, below the columns that the kind names.</summary>
    public IReadOnlyList<string> Costs { get; init; } = [];

    /// <summary>What it holds of several.</summary>
    public IReadOnlyList<KindTable> Tables { get; init; } = [];
}
