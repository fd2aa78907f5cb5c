using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A restore point that no tier holds any more: when it went, why, and what was measured of it.</summary>
public partial class ExpiredPoint
{
    /// <summary>The point; <see cref="RestorePointRow.ExpiredAt"/> is set.</summary>
    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    [Parameter, EditorRequired]
    public PointKept Kept { get; set; } = default!;

    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<ValidationRow> Validations { get; set; } = [];

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(Point.Source, SourceRows.Href(Point.Source)), new Crumb(SourceRows.Short(Point.Id))];

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var proven = Validations.FirstOrDefault(one => one.Passed);
            return
            [
                new Figure(KeepingTexts.ExpiredAt, Figures.Moment(Point.ExpiredAt!.Value, Time), KeepingTexts.ExpiredAtSecond),
                new Figure(PageTexts.FigureMade, Figures.Moment(Point.CreatedAt, Time), Figures.Format(PageTexts.MadeFrom, Point.Source)),
                new Figure(PageTexts.FigureRestored, proven is null ? PageTexts.Never : Figures.Moment(proven.ValidatedAt, Time),
                    proven is { RestoreSeconds: { } seconds } ? Figures.Format(PageTexts.RestoredIn, Figures.Duration(TimeSpan.FromSeconds(seconds))) : PageTexts.StepFiveNotRun),
                new Figure(PageTexts.ColumnSize, Figures.Bytes(Point.Bytes), Figures.Format(KeepingTexts.ExpiredSizeNew, Figures.Bytes(Point.StoredBytes))),
            ];
        }
    }
}
