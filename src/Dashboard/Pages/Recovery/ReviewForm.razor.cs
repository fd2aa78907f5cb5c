using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Writes the review that must follow where somebody went through a gate alone; posted with the password, as an answer is.</summary>
public partial class ReviewForm
{
    /// <summary>The gate where the glass was broken.</summary>
    [Parameter, EditorRequired]
    public long Gate { get; set; }

    /// <summary>Who writes the review, and gives their password for it.</summary>
    [Parameter]
    public string? Person { get; set; }
}
