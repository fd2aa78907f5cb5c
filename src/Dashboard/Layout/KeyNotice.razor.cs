using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Language;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Asks the admin, above every page, until it is confirmed that the keys are kept elsewhere. Cannot be closed while that is true.</summary>
public sealed partial class KeyNotice : IDisposable
{
    private readonly CancellationTokenSource _left = new();
    private IReadOnlyList<KeyStanding> _open = [];

    [Inject]
    private KeyCustody Custody { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private CircuitLanguage Language { get; set; } = default!;

    [Inject]
    private ILogger<KeyNotice> Log { get; set; } = default!;

    private string Said => Figures.Format(
        _open.Any(key => key.State == CustodyState.KeyChanged) ? SettingTexts.NoticeChanged : SettingTexts.NoticeNever, Figures.List(_open.SelectMany(key => key.Tiers)));

    /// <inheritdoc/>
    public void Dispose()
    {
        Custody.Changed -= OnChanged;
        Navigation.LocationChanged -= OnLocationChanged;
        _left.Cancel();
        _left.Dispose();
    }

    /// <inheritdoc/>
    protected override Task OnInitializedAsync()
    {
        Custody.Changed += OnChanged;
        Navigation.LocationChanged += OnLocationChanged;
        return RefreshAsync();
    }

    private async Task RefreshAsync()
    {
        try
        {
            _open = [.. (await Custody.ReadAsync(_left.Token)).Where(key => key.State != CustodyState.Confirmed)];
            StateHasChanged();
        }
        catch (NpgsqlException fault)
        {
            // The pages say that the catalog is away; this only stops moving.
            Log.LogWarning("who keeps the keys could not be read: {Reason}", fault.Message);
        }
        catch (Exception gone) when (gone is OperationCanceledException or ObjectDisposedException)
        {
            // The reader has left.
        }
    }

    // Said by whoever confirms, in their circuit and their language.
    private void OnChanged() => _ = InvokeAsync(() => Language.SpeakAsync(RefreshAsync));

    private void OnLocationChanged(object? sender, LocationChangedEventArgs args) => OnChanged();
}
