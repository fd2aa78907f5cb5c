using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The maintenance windows; an operator announces and ends them here.</summary>
public partial class MaintenancePage : LivePage
{
    private const int MostRows = 100;
    private static readonly TimeSpan UsualLength = TimeSpan.FromHours(1);
    private IReadOnlyList<MaintenanceWindow>? _windows;
    private string _source = string.Empty;
    private string? _from;
    private string? _to;
    private string _reason = string.Empty;
    private bool _isTimeMissing;

    [Inject]
    private MaintenanceWindows Windows { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private static IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavIncidents, IncidentWords.List), new Crumb(HealthTexts.MaintenanceTitle)];

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        var now = TimeZoneInfo.ConvertTime(Time.GetUtcNow(), Time.LocalTimeZone);
        (_from, _to) = (Entered(now), Entered(now + UsualLength));
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _windows = await Windows.ListAsync(MostRows, cancellationToken);

    private Status StatusOf(MaintenanceWindow window) =>
        window.Covers(Time.GetUtcNow()) ? Status.Running : window.From > Time.GetUtcNow() && window.EndedAt is null ? Status.Queued : Status.Done;

    private string WordOf(MaintenanceWindow window) => StatusOf(window) switch
    {
        Status.Running => HealthTexts.MaintenanceNow,
        Status.Queued => HealthTexts.MaintenancePlanned,
        _ => HealthTexts.MaintenanceOver,
    };

    private Task AddAsync()
    {
        var (from, to) = (Moment(_from), Moment(_to));
        _isTimeMissing = from is null || to is null;
        return _isTimeMissing ? Task.CompletedTask : ActAsync(async (actor, token) =>
        {
            await Windows.AddAsync(_source.Length == 0 ? null : _source, from!.Value, to!.Value, _reason, actor, token);
            _reason = string.Empty;
            await ReadAsync(token);
        });
    }

    private Task EndAsync(MaintenanceWindow window) => ActAsync(async (actor, token) =>
    {
        await Windows.EndAsync(window.Id, actor, token);
        await ReadAsync(token);
    });

    private static string Entered(DateTimeOffset local) => local.ToString("yyyy-MM-ddTHH:mm", CultureInfo.InvariantCulture);

    /// <summary>The browser sends a wall clock's time; it is read in the console's zone, which the label names.</summary>
    private DateTimeOffset? Moment(string? entered) =>
        DateTime.TryParse(entered, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local) ? new DateTimeOffset(local, Time.LocalTimeZone.GetUtcOffset(local)) : null;
}
