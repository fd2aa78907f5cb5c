using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.JSInterop;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>One thing that the palette can open.</summary>
/// <param name="Title">What is typed to find it.</param>
/// <param name="Kind">What it is, in the reader's language.</param>
/// <param name="Href">Its page.</param>
public sealed record PaletteEntry(string Title, string Kind, string Href);

/// <summary>Adds entries (sources, restore points, runs) to the palette. Any number may be registered.</summary>
public interface IPaletteSource
{
    /// <summary>At most 20 entries that match what was typed.</summary>
    Task<IReadOnlyList<PaletteEntry>> FindAsync(string query, CancellationToken cancellationToken);
}

/// <summary>Ctrl-K: go anywhere by typing a part of its name.</summary>
public partial class CommandPalette : IDisposable
{
    private const int MaxShown = 16;

    private readonly CancellationTokenSource _closed = new();
    private string _query = string.Empty;
    private List<PaletteEntry> _found = [];
    private int _active;

    [CascadingParameter]
    private IMudDialogInstance? Dialog { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    [Inject]
    private IEnumerable<IPaletteSource> More { get; set; } = [];

    private string ActiveId => string.Create(CultureInfo.InvariantCulture, $"palette-{_active}");

    private string NothingText => Figures.Format(Texts.PaletteNothing, _query);

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed.Cancel();
        _closed.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override Task OnInitializedAsync() => FindAsync();

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            await Js.InvokeVoidAsync("drconsole.focusById", "palette-input");
        }
    }

    private async Task FindAsync()
    {
        var asked = _query;
        var found = Sections.All
            .Where(section => section.Word.Contains(asked, StringComparison.CurrentCultureIgnoreCase) || section.Href.Contains(asked, StringComparison.OrdinalIgnoreCase))
            .Select(section => new PaletteEntry(section.Word, Texts.PalettePage, section.Href))
            .ToList();
        foreach (var source in More)
        {
            found.AddRange(await source.FindAsync(asked, _closed.Token));
        }

        // A slower answer to an older question must not replace the newer one.
        if (asked == _query)
        {
            (_found, _active) = (found.Take(MaxShown).ToList(), 0);
        }
    }

    private void OnKey(KeyboardEventArgs args)
    {
        switch (args.Key)
        {
            case "ArrowDown" when _found.Count > 0:
                _active = (_active + 1) % _found.Count;
                break;
            case "ArrowUp" when _found.Count > 0:
                _active = (_active + _found.Count - 1) % _found.Count;
                break;
            case "Enter" when _active < _found.Count:
                Open(_found[_active]);
                break;
        }
    }

    private void Open(PaletteEntry entry)
    {
        Dialog?.Close();
        Navigation.NavigateTo(entry.Href, forceLoad: entry.Href == "/jobs");
    }
}
