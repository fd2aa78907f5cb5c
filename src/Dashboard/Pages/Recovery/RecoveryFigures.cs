using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>The strip of figures on the page of a recovery.</summary>
internal static class RecoveryFigures
{
    /// <summary>Which set a recovery of several goes to, and how far its parts are apart.</summary>
    public static Figure OfScope(RecoveryScope scope) => new(
        scope.Set is null ? RecoveryTexts.PartsTitle : RecoveryTexts.FigureSet, scope.Set is { } set ? Figures.Count(set) : Figures.Count(scope.Parts.Count),
        Figures.Format(RecoveryTexts.FigureParts, scope.Parts.Count, Figures.Duration(TimeSpan.FromSeconds(scope.ApartSeconds))));

    /// <summary>Of a plan that only asks, or leads clients.</summary>
    public static Figure Nothing => new(RecoveryTexts.FigureLoss, RecoveryTexts.FigureNothing, RecoveryTexts.RestoresNothing);

    /// <param name="reading">As it stands; null while nobody has read that.</param>
    public static IReadOnlyList<Figure> Of(Run run, RecoveryReading? reading, TimeProvider time)
    {
        var plan = RecoveryRequest.PlanOf(run);
        var rto = TimeSpan.FromSeconds(plan.RtoSeconds);
        var from = RecoveryClock.From(run, reading?.Incident?.ConfirmedAt);
        var forecast = reading is null ? null : RecoveryForecast.Of(run, plan, reading.Recovery, reading.Steps, time.GetUtcNow());
        var since = (run.EndedAt ?? time.GetUtcNow()) - from;
        var left = rto - since;
        Figure?[] strip =
        [
            from == run.CreatedAt
                ? new Figure(run.IsOpen ? RecoveryTexts.FigureAsked : RecoveryTexts.FigureTook, Figures.Duration(since),
                    Figures.Format(RecoveryTexts.FigureAskedBy, Figures.Moment(run.CreatedAt, time), run.RequestedBy))
                : new Figure(Figures.Format(run.IsOpen ? RecoveryTexts.FigureSince : RecoveryTexts.FigureTookSince, Figures.Moment(from, time)), Figures.Duration(since),
                    Figures.Format(RecoveryTexts.FigureAskedAt, Figures.Moment(run.CreatedAt, time), run.RequestedBy)),
            forecast is { } end ? new Figure(RecoveryTexts.FigureForecast, Figures.Moment(end, time), RecoveryTexts.FigureForecastSecond) : null,
            new Figure(Figures.Format(left < TimeSpan.Zero ? RecoveryTexts.FigureOver : RecoveryTexts.FigureLeft, Figures.Target(rto)), Figures.Duration(left.Duration()),
                Figures.Format(RecoveryTexts.PreviewMeasured, plan.Steps.Count(step => step.MeasuredFrom > 0), plan.Steps.Count)),
            plan.Restores ? new Figure(RecoveryTexts.FigureLoss, Figures.Format(RecoveryTexts.PreviewLossAfter, Figures.Moment(plan.Loss.From, time)), plan.Loss.Method) : Nothing,
            plan.Several is { } scope ? OfScope(scope) : plan.Restores ? new Figure(RecoveryTexts.FigurePoint, SourceRows.Short(plan.Basis.RestorePoint), RecoveryWords.Moment(plan.Basis, time)) : null,
            new Figure(RecoveryTexts.FigurePlan, $"v{plan.TemplateVersion}", RecoveryWords.Hash(plan.Hash, 3)),
        ];
        return [.. strip.OfType<Figure>()];
    }
}
