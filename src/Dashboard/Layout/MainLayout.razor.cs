using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.JSInterop;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The frame around every signed-in page.</summary>
public partial class MainLayout
{
    private static readonly DialogOptions Floating = new()
    {
        MaxWidth = MaxWidth.Small, FullWidth = true, Position = DialogPosition.TopCenter, CloseOnEscapeKey = true, BackdropClick = true,
    };

    private DotNetObjectReference<MainLayout>? _self;
    private MudThemeProvider? _theme;
    private ErrorBoundary? _boundary;
    private bool _isDark;
    private IDialogReference? _open;

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private ShellState Shell { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <summary>Called by js/console.js on Ctrl-K.</summary>
    [JSInvokable]
    public Task OpenPaletteAsync() => OpenAsync<CommandPalette>(
        Texts.PaletteTitle, Floating with { BackgroundClass = "dialog-palette", NoHeader = true, DefaultFocus = DefaultFocus.None });

    /// <summary>Called by js/console.js on "?" outside of a field.</summary>
    [JSInvokable]
    public Task OpenHelpAsync() => OpenAsync<HelpSheet>(Texts.HelpTitle, Floating with { CloseButton = true });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Navigation.LocationChanged -= OnLocationChanged;
        try
        {
            await Js.InvokeVoidAsync("drconsole.stopKeys");
        }
        catch (JSDisconnectedException)
        {
            // The tab is gone, and its listeners with it.
        }

        _self?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        _isDark = Shell.Theme == ThemePreference.Dark;
        Navigation.LocationChanged += OnLocationChanged;
    }

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!firstRender)
        {
            return;
        }

        _self = DotNetObjectReference.Create(this);
        await Js.InvokeVoidAsync("drconsole.startKeys", _self);
        await FollowThemeAsync();
    }

    private async Task UseThemeAsync(string preference)
    {
        Shell.Theme = preference;
        await Js.InvokeVoidAsync("drconsole.setTheme", preference);
        await FollowThemeAsync();
    }

    private async Task FollowThemeAsync()
    {
        _isDark = Shell.Theme == ThemePreference.Dark
            || (Shell.Theme == ThemePreference.System && _theme is not null && await _theme.GetSystemDarkModeAsync());
        StateHasChanged();
    }

    private async Task OpenAsync<TDialog>(string title, DialogOptions options)
        where TDialog : IComponent
    {
        _open?.Close();
        _open = await Dialogs.ShowAsync<TDialog>(title, options);
    }

    // An error belongs to the page that had it: the next page starts clean.
    private void OnLocationChanged(object? sender, LocationChangedEventArgs args) => Recover();

    private void Recover() => _boundary?.Recover();
}
