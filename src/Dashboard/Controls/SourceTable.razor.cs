using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A duration against its target, as <see cref="TargetBar"/> shows it.</summary>
public sealed record TargetFigure(TimeSpan? Value, TimeSpan Target, Measure Measure, string Second);

/// <summary>One source, and whether it can be recovered.</summary>
/// <param name="Workspace">The group that it stands in.</param>
/// <param name="Name">Its name.</param>
/// <param name="What">Kind and class: <c>PostgreSQL, critical</c>.</param>
/// <param name="Icon">Path data from <see cref="IconShape"/>.</param>
/// <param name="Href">Its page.</param>
/// <param name="Status">Can it be recovered?</param>
/// <param name="How">How that is known, or what it means.</param>
/// <param name="Rpo">What would be lost now, against the RPO.</param>
/// <param name="Rto">The promised restore time.</param>
/// <param name="Drills">Measured restores, oldest first.</param>
/// <param name="RestoreSecond">How and when the newest was measured.</param>
/// <param name="Tiers">Where its newest point is held.</param>
public sealed record SourceRow(
    string Workspace, string Name, string What, string Icon, string Href, Status Status, string? How, TargetFigure Rpo,
    TimeSpan Rto, IReadOnlyList<DrillColumn> Drills, string RestoreSecond, IReadOnlyList<TierMark> Tiers)
{
    /// <summary>Instead of the state's word: <c>RPO breached</c>.</summary>
    public string? Word { get; init; }

    /// <summary>What its newest restore point holds, and what that cost the source.</summary>
    public KindSheet Content { get; init; } = KindSheet.None;

    /// <summary>When the last restore ran.</summary>
    public DateTimeOffset? ProvenAt { get; init; }

    /// <summary>How much of the proof's validity is left, 0 to 1.</summary>
    public double? ProofLeft { get; init; }

    // A breached RPO does not make the restore time a bad one: only states of the whole source colour its bars.
    internal Status? BarStatus => Status is Status.Running or Status.Degraded or Status.Stale ? Status : null;
}

/// <summary>"Can we recover now?", source by source. On a narrow screen rows become stacks, and proven ones fold.</summary>
public partial class SourceTable
{
    /// <summary>In the order to show; rows of one workspace follow each other.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<SourceRow> Rows { get; set; } = [];

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private static string Summary(IEnumerable<SourceRow> rows)
    {
        var all = rows.ToList();
        var parts = all.GroupBy(row => row.Status)
            .OrderBy(group => group.Key)
            .Select(group => Figures.Format(Texts.SourceGroupPart, group.Count(), StatusWords.Of(group.Key).Word.ToLowerInvariant()));
        return Figures.Format(all.Count == 1 ? Texts.SourceGroupOne : Texts.SourceGroup, all.Count, Figures.List(parts));
    }

    private void Open(SourceRow row) => Navigation.NavigateTo(row.Href);
}
