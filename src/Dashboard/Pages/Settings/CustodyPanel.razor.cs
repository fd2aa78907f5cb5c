using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>Who confirmed of each key that it is kept elsewhere, when and where; asks where nobody did, and again when the key changed.</summary>
public partial class CustodyPanel
{
    private readonly Dictionary<string, string> _places = [];
    private readonly HashSet<string> _compared = [];
    private string? _problem;

    [Parameter, EditorRequired]
    public IReadOnlyList<KeyStanding> Keys { get; set; } = [];

    /// <summary>Writes an admin's word down; true where it stands.</summary>
    [Parameter, EditorRequired]
    public Func<CustodyWord, Task<bool>> OnConfirm { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    // That somebody said so is no proof: never green.
    private static Status StatusOf(KeyStanding key) => key.State switch
    {
        CustodyState.Confirmed => Status.Done,
        CustodyState.Unreadable => Status.Failed,
        _ => Status.Degraded,
    };

    private static string WordOf(KeyStanding key) => key.State switch
    {
        CustodyState.Confirmed => SettingTexts.CustodyConfirmed,
        CustodyState.Unreadable => SettingTexts.CustodyUnreadable,
        CustodyState.KeyChanged => SettingTexts.CustodyChanged,
        _ => SettingTexts.CustodyNever,
    };

    private string Said(KeyStanding key) => key switch
    {
        { Fault: { } fault } => fault,
        { Last: { } last } => Figures.Format(SettingTexts.CustodySaid, last.ConfirmedBy, Figures.Moment(last.ConfirmedAt, Time), last.KeptAt),
        _ => SettingTexts.CustodyNobody,
    };

    private string PlaceOf(KeyStanding key) => _places.GetValueOrDefault(key.KeyFile, "");

    private void Tick(KeyStanding key, ChangeEventArgs args)
    {
        if (args.Value is true)
        {
            _compared.Add(key.KeyFile);
        }
        else
        {
            _compared.Remove(key.KeyFile);
        }
    }

    private async Task SendAsync(KeyStanding key)
    {
        _problem = PlaceOf(key).Trim().Length > 0 && _compared.Contains(key.KeyFile) ? null : key.KeyFile;
        if (_problem is null && await OnConfirm(new CustodyWord(key.KeyFile, PlaceOf(key).Trim())))
        {
            _places.Remove(key.KeyFile);
            _compared.Remove(key.KeyFile);
        }
    }
}
