using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>The top of every page: the way here, the title (the page's only h1) with its state, one sentence, at most three actions.</summary>
public partial class PageHeader
{
    /// <summary>The title.</summary>
    [Parameter, EditorRequired]
    public string Title { get; set; } = string.Empty;

    /// <summary>True where the title is an id.</summary>
    [Parameter]
    public bool IsMono { get; set; }

    /// <summary>True where the title answers <see cref="Question"/>, in the largest type.</summary>
    [Parameter]
    public bool IsVerdict { get; set; }

    /// <summary>What the title answers; shown where there are no crumbs.</summary>
    [Parameter]
    public string? Question { get; set; }

    /// <summary>Lighter words after the title: <c>orders, Tue 24 Nov 02:00</c>.</summary>
    [Parameter]
    public string? Beside { get; set; }

    /// <summary>One sentence: fact, number, consequence.</summary>
    [Parameter]
    public string? Sentence { get; set; }

    /// <summary>The way here, this page last.</summary>
    [Parameter]
    public IReadOnlyList<Crumb> Crumbs { get; set; } = [];

    /// <summary>Four to six figures, or none.</summary>
    [Parameter]
    public IReadOnlyList<Figure> Figures { get; set; } = [];

    /// <summary>A <see cref="StatusChip"/>.</summary>
    [Parameter]
    public RenderFragment? Chip { get; set; }

    /// <summary>At most three buttons, one of them filled.</summary>
    [Parameter]
    public RenderFragment? Actions { get; set; }

    /// <summary>A line under the sentence, for example counts by state.</summary>
    [Parameter]
    public RenderFragment? Below { get; set; }
}
