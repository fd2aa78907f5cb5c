using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Gallery;

/// <summary>
/// Every component in every state, with invented figures, for whoever changes one. Only in development: figures that
/// nobody measured have no place in a real console.
/// </summary>
public partial class Gallery
{
    private GallerySamples _samples = default!;
    private GalleryKinds _kinds = default!;

    [Inject]
    private IHostEnvironment Environment { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private bool IsShown => Environment.IsDevelopment();

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        if (!IsShown)
        {
            Navigation.NotFound();
            return;
        }

        _kinds = new GalleryKinds(Time);
        _samples = new GallerySamples(Time.GetUtcNow(), _kinds);
    }

    private Task AskAsync() => Dialogs.ShowAsync<TypedConfirmation>(
        string.Empty,
        new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, "Restore 4f19c2 into orders_copy" },
            { dialog => dialog.Consequence, "orders_copy is made new on 127.0.0.1:5433. The database orders is not touched." },
            { dialog => dialog.Word, "orders_copy" },
            { dialog => dialog.ActionText, "Restore into orders_copy" },
            { dialog => dialog.Facts, GallerySamples.Facts },
        },
        new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true });
}
