using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One backup and what it cost.</summary>
/// <param name="Name">The restore point's short name.</param>
/// <param name="Href">Its page.</param>
/// <param name="At">When its content was true.</param>
/// <param name="Took">From its beginning until it was complete.</param>
/// <param name="Costs">One value for each column; fewer where they are not known.</param>
public sealed record CostRow(string Name, string Href, DateTimeOffset At, TimeSpan Took, IReadOnlyList<string> Costs);

/// <summary>What each of a source's backups cost it: whether it stands one as often as its RPO asks for.</summary>
public partial class CostTable
{
    /// <summary>What the kind measures, in its order.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<string> Columns { get; set; } = [];

    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<CostRow> Rows { get; set; } = [];

    /// <summary>How often a backup is made, and for what.</summary>
    [Parameter]
    public string? Second { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
