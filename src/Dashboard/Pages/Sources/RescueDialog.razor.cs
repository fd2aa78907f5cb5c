using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>A table, and the moment or restore point of which it is wanted.</summary>
public sealed record RescueAsk(string Table, DateTimeOffset? Moment, string? RestorePoint);

/// <summary>Asks which table, and as it was when. The difference is shown before anything is copied.</summary>
public partial class RescueDialog
{
    private const string Shape = "yyyy-MM-ddTHH:mm:ss";
    private string _table = "";
    private string? _moment;
    private string? _point;
    private bool _isMoment;

    /// <summary>The source's name.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = "";

    /// <summary>True where a moment can be recovered.</summary>
    [Parameter]
    public bool HasWindow { get; set; }

    /// <summary>The moment to begin with; null for none.</summary>
    [Parameter]
    public DateTimeOffset? Moment { get; set; }

    /// <summary>Restore points that hold the database as a dump, newest first.</summary>
    [Parameter]
    public IReadOnlyList<RestorePointRow> Points { get; set; } = [];

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [CascadingParameter]
    private IMudDialogInstance? Dialog { get; set; }

    private RescueAsk? Asked
    {
        get
        {
            var isTime = DateTime.TryParse(_moment, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local);
            return string.IsNullOrWhiteSpace(_table) ? null
                : !_isMoment ? _point is null ? null : new RescueAsk(_table.Trim(), null, _point)
                : isTime ? new RescueAsk(_table.Trim(), new DateTimeOffset(local, Time.LocalTimeZone.GetUtcOffset(local)), null) : null;
        }
    }

    /// <summary>Shows the dialog; what was asked, or null.</summary>
    public static async Task<RescueAsk?> ShowAsync(IDialogService dialogs, string source, bool hasWindow, DateTimeOffset? moment, IReadOnlyList<RestorePointRow> points)
    {
        var parameters = new DialogParameters<RescueDialog>
        {
            { dialog => dialog.Source, source }, { dialog => dialog.HasWindow, hasWindow }, { dialog => dialog.Moment, moment }, { dialog => dialog.Points, points },
        };
        var shown = await dialogs.ShowAsync<RescueDialog>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        return await shown.Result is { Canceled: false, Data: RescueAsk ask } ? ask : null;
    }

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        _isMoment = HasWindow;
        _moment = Moment is { } moment ? TimeZoneInfo.ConvertTime(moment, Time.LocalTimeZone).ToString(Shape, CultureInfo.InvariantCulture) : null;
        _point = Points.Count > 0 ? Points[0].Id : null;
    }

    private void Ask() => Dialog?.Close(DialogResult.Ok(Asked));

    private void Cancel() => Dialog?.Cancel();
}
