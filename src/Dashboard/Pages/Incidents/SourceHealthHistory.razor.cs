using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>The kept looks at one source, read beside its page.</summary>
public partial class SourceHealthHistory : LivePage
{
    /// <summary>A day of looks is much to sum up, and one more of them is hardly seen.</summary>
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    private IReadOnlyList<HealthStrip> _strips = [];
    private TimeSpan _span = HealthHistoryPanel.Spans[0];
    private DateTimeOffset _from;
    private (string Source, TimeSpan Span, DateTimeOffset At)? _read;

    /// <summary>The source's name.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = string.Empty;

    [Inject]
    private HealthHistory History { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var now = Time.GetUtcNow();
        if (_read is { } read && read.Source == Source && read.Span == _span && now - read.At < s_every)
        {
            return;
        }

        var from = now - _span;
        _strips = HealthStrip.Of(
            await History.SummariesAsync(HealthSubject.IdOf(Source, SubjectKind.Database), byHour: _span > HealthHistoryPanel.Spans[0], from, cancellationToken), from, now, HealthHistoryPanel.Stretches);
        (_from, _read) = (from, (Source, _span, now));
    }

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => false;

    private async Task ChooseAsync(TimeSpan span)
    {
        _span = span;
        await RefreshAsync(Left);
    }
}
