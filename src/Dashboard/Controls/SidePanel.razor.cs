using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// What was chosen, beside the page: its state, what it means for data, facts, attempts, actions. The page keeps the
/// choice in its address. Escape closes it and gives the focus back to where it was opened.
/// </summary>
public partial class SidePanel
{
    private readonly string _headId = $"side-{Guid.NewGuid():N}";

    /// <summary>What was chosen.</summary>
    [Parameter, EditorRequired]
    public string Title { get; set; } = string.Empty;

    /// <summary>Lighter words after it.</summary>
    [Parameter]
    public string? Beside { get; set; }

    /// <summary>Path data of its icon.</summary>
    [Parameter]
    public string? IconShape { get; set; }

    /// <summary>Id of the element that gets the focus back.</summary>
    [Parameter]
    public string? ReturnFocusTo { get; set; }

    /// <summary>The page takes the choice out of its address.</summary>
    [Parameter, EditorRequired]
    public EventCallback OnClose { get; set; }

    /// <summary>The body.</summary>
    [Parameter]
    public RenderFragment? ChildContent { get; set; }

    /// <summary>Buttons at the foot.</summary>
    [Parameter]
    public RenderFragment? Actions { get; set; }

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            await Js.InvokeVoidAsync("drconsole.focusById", _headId);
        }
    }

    private Task OnKeyAsync(KeyboardEventArgs args) => args.Key == "Escape" ? CloseAsync() : Task.CompletedTask;

    private async Task CloseAsync()
    {
        await OnClose.InvokeAsync();
        if (ReturnFocusTo is not null)
        {
            await Js.InvokeVoidAsync("drconsole.focusById", ReturnFocusTo);
        }
    }
}
