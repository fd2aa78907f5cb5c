using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What was counted of one table, in the backup's snapshot and after the restore.</summary>
/// <param name="Table">Its name with its schema.</param>
/// <param name="RowsAtSource">Rows in the snapshot, or null where not counted.</param>
/// <param name="RowsRestored">Rows after the restore, or null where nothing was restored.</param>
/// <param name="DigestAtSource">Order-independent digest in hex, or null.</param>
/// <param name="DigestRestored">The same after the restore, or null.</param>
public sealed record ContentFactModel(
    string Table, long? RowsAtSource, long? RowsRestored, string? DigestAtSource, string? DigestRestored)
{
    /// <summary>Equal only where rows and digest were taken on both sides and are the same.</summary>
    public Status Status => RowsAtSource is null || RowsRestored is null || DigestAtSource is null || DigestRestored is null
        ? Status.NotCompared
        : RowsAtSource == RowsRestored && DigestAtSource == DigestRestored ? Status.Equal : Status.Differs;
}

/// <summary>Rows and digests, table by table. What differs stands first; no sum hides a table.</summary>
public partial class ContentFactsTable
{
    private const int FirstShown = 12;

    private bool _showsAll;

    /// <summary>One per table; empty where the source was not counted.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<ContentFactModel> Facts { get; set; } = [];

    /// <summary>Where and when both sides were counted.</summary>
    [Parameter]
    public string? Summary { get; set; }

    /// <summary>Why nothing was compared: <c>Step 5 did not run.</c> Null where it was.</summary>
    [Parameter]
    public string? NotComparedReason { get; set; }

    private IReadOnlyList<ContentFactModel> Shown
    {
        get
        {
            var ordered = Facts.OrderBy(fact => fact.Status switch { Status.Differs => 0, Status.NotCompared => 1, _ => 2 }).ToList();
            var wanted = Math.Max(FirstShown, ordered.Count(fact => fact.Status == Status.Differs));
            return _showsAll ? ordered : [.. ordered.Take(wanted)];
        }
    }

    private static string Rows(long? rows) => rows is { } count ? Figures.Count(count) : "–";

    private static string Short(string? digest) => digest switch
    {
        null => "–",
        { Length: > 8 } => $"{digest[..4]} {digest[4..8]}",
        _ => digest,
    };
}
