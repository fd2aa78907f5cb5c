namespace Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;

/// <summary>How one row of the past stands to the living table.</summary>
public static class RowStates
{
    /// <summary>It is gone from the living table.</summary>
    public const string OnlyPast = "only_past";

    /// <summary>It was not there yet.</summary>
    public const string OnlyLive = "only_live";

    /// <summary>Both have its key, with other values.</summary>
    public const string Changed = "changed";
}

/// <summary>A column's value on both sides, as text, cut after 200 characters; null is SQL NULL or an absent row.</summary>
public sealed record ValueDifference(string Column, string? Past, string? Live);

/// <summary>One row that differs.</summary>
/// <param name="State">One of <see cref="RowStates"/>.</param>
/// <param name="Key">Its primary key as a row, or all of it where the table has none.</param>
/// <param name="Columns">The columns that changed; empty for a row of one side only.</param>
public sealed record RowDifference(string State, string Key, IReadOnlyList<ValueDifference> Columns);

/// <summary>A table as it was beside the living one.</summary>
/// <param name="Table"><c>schema.table</c>.</param>
/// <param name="KeyColumns">The primary key; empty where rows are compared as a whole, and then none counts as changed.</param>
/// <param name="IsLive">False where the living database has no such table any more.</param>
/// <param name="PastColumns">Columns that only the past has; they are not compared.</param>
/// <param name="LiveColumns">Columns that only the living table has.</param>
/// <param name="Examples">At most 100 rows of each state, by key.</param>
public sealed record TableDifference(
    string Table, IReadOnlyList<string> KeyColumns, bool IsLive, long PastRows, long LiveRows, long OnlyPast, long OnlyLive, long Changed, IReadOnlyList<string> PastColumns,
    IReadOnlyList<string> LiveColumns, IReadOnlyList<RowDifference> Examples)
{
    /// <summary>True where both are the same.</summary>
    public bool IsEqual => OnlyPast + OnlyLive + Changed == 0 && IsLive;
}
