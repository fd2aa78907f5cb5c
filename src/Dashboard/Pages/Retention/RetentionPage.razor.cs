using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>What one source can go back to: days by tier, the ladder, what leaves next and why, and what another policy would do.</summary>
public partial class RetentionPage : LivePage
{
    private KeptSource? _source;
    private IReadOnlyList<string> _names = [];
    private IReadOnlyList<LadderRung> _rungs = [];
    private Incident? _freezing;

    /// <summary>The source; the first one where the address names none.</summary>
    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [Inject]
    private RetentionReading Reading { get; set; } = default!;

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private DeclaredIn Files { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private string Here => HrefOf(_source!.Name);

    private string PointsHref => $"/restore-points?source={Uri.EscapeDataString(_source!.Name)}";

    private IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_source!.Workspace), new Crumb(_source.Name)];

    private IReadOnlyList<string> Others => [.. Estate.Sources.Where(source => Estate.ClassOf(source).Name == _source!.Class.Name).Select(source => source.Name)];

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var source = _source!;
            var kept = source.Decisions.Count(decision => decision.IsKept);
            var restored = source.Points.Count(point => point.Last is { Passed: true });
            return
            [
                new Figure(RetentionTexts.FigureKept, Figures.Count(source.KeptIds.Count), Figures.Format(RetentionTexts.FigureKeptSecond, kept, source.Tiers.Count)),
                new Figure(RetentionTexts.FigureOldest, source.Points is [.., var oldest] ? Figures.Moment(oldest.CreatedAt, Time) : RetentionTexts.FigureOldestNone, RetentionTexts.FigureOldestSecond),
                new Figure(RetentionTexts.FigureRestored, Figures.Format(RetentionTexts.LadderCount, restored, source.Points.Count), RetentionTexts.FigureRestoredSecond),
                new Figure(RetentionTexts.FigureLeaves, Figures.Count(source.Leaving.Count), RetentionTexts.FigureLeavesSecond),
                source.NextByDays is { } next
                    ? new Figure(RetentionTexts.FigureNextDays, Figures.Moment(next.At, Time), Figures.Format(RetentionTexts.FigureNextDaysSecond, RestorePointId.ShortOf(next.Decision.Point.Id), next.Decision.Tier))
                    : new Figure(RetentionTexts.FigureNextDays, RetentionTexts.FigureNextDaysNone, RetentionTexts.FigureNextDaysNoneSecond),
            ];
        }
    }

    /// <summary>The page of a source.</summary>
    public static string HrefOf(string source) => $"/retention?source={Uri.EscapeDataString(source)}";

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var asked = string.IsNullOrEmpty(Source) ? Estate.Sources is [var first, ..] ? first.Name : null : Source;
        var source = asked is null ? null : await Reading.ReadAsync(asked, cancellationToken);
        _names = source is null ? [] : [.. Estate.Sources.Select(one => one.Name).Append(source.Name).Distinct()];
        _rungs = source is null ? [] : LadderRungs.Of(source, Time);
        _freezing = source is null ? null : await Incidents.FreezingAsync(source.Name, cancellationToken);
        _source = source;
    }

    private void Choose(ChangeEventArgs args) => Navigation.NavigateTo(HrefOf((string)args.Value!));

    private async Task<RetentionSimulation?> SimulateAsync(RetentionPolicy policy, IReadOnlyDictionary<string, int> days)
    {
        RetentionSimulation? found = null;
        await TryAsync(async token => found = await Reading.SimulateAsync(_source!.Name, policy, days, token));
        return found;
    }
}
