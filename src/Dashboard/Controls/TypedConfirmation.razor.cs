using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.JSInterop;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A name and its value.</summary>
public sealed record NamedFact(string Name, string Value);

/// <summary>
/// Says what will happen and what will be lost, and goes on only once the thing's name was typed. Ends with
/// <c>DialogResult.Ok(true)</c> or cancelled.
/// </summary>
public partial class TypedConfirmation
{
    private readonly string _inputId = $"confirm-{Guid.NewGuid():N}";
    private string _typed = string.Empty;

    /// <summary>What will be done, as a question of fact: <c>Restore 4f19c2 into orders_copy</c>.</summary>
    [Parameter, EditorRequired]
    public string Title { get; set; } = string.Empty;

    /// <summary>What will be lost or kept. Never "Are you sure?".</summary>
    [Parameter, EditorRequired]
    public string Consequence { get; set; } = string.Empty;

    /// <summary>What must be typed.</summary>
    [Parameter, EditorRequired]
    public string Word { get; set; } = string.Empty;

    /// <summary>The outcome, as the button says it: <c>Restore into orders_copy</c>.</summary>
    [Parameter, EditorRequired]
    public string ActionText { get; set; } = string.Empty;

    /// <summary>The other outcome.</summary>
    [Parameter]
    public string CancelText { get; set; } = Texts.ConfirmCancel;

    /// <summary>True where something existing is changed or removed.</summary>
    [Parameter]
    public bool IsDestructive { get; set; }

    /// <summary>What exactly will run.</summary>
    [Parameter]
    public IReadOnlyList<NamedFact> Facts { get; set; } = [];

    /// <summary>More, between the facts and the field.</summary>
    [Parameter]
    public RenderFragment? ChildContent { get; set; }

    [CascadingParameter]
    private IMudDialogInstance? Dialog { get; set; }

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    private bool IsTyped => string.Equals(_typed.Trim(), Word, StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            await Js.InvokeVoidAsync("drconsole.focusById", _inputId);
        }
    }

    private void OnKey(KeyboardEventArgs args)
    {
        if (args.Key == "Enter" && IsTyped)
        {
            Confirm();
        }
    }

    private void Confirm() => Dialog?.Close(DialogResult.Ok(true));

    private void Cancel() => Dialog?.Cancel();
}
