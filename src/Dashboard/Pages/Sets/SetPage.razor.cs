using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sets;

/// <summary>One recovery set: its parts, how far they are apart, and the ways back to it.</summary>
public partial class SetPage : LivePage
{
    private SetRow? _set;

    /// <summary>The run that took it.</summary>
    [Parameter]
    public long Number { get; set; }

    [Inject]
    private SetCatalog Sets { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private PlanLibrary Library { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(SetTexts.Title, SetWords.Page), new Crumb(_set!.Workspace, $"{SetWords.Page}?workspace={Uri.EscapeDataString(_set.Workspace)}"), new Crumb(Number.ToString(CultureInfo.InvariantCulture))];

    private IReadOnlyList<SetPartRow> Kept => [.. _set!.Parts.Where(part => part is { RestorePoint: not null, IsKept: true })];

    private IReadOnlyList<Figure> Strip =>
    [
        new Figure(SetTexts.FigureSkew, _set!.SkewSeconds is null ? PageTexts.NotMeasuredShort : SetWords.Skew(_set),
            _set.SkewSeconds is null ? SetTexts.FigureSkewNone : Figures.Format(SetTexts.FigureSkewHow, _set.Parts.Count(part => part.SnapshotAt is not null))),
        new Figure(SetTexts.FigureHeld, SetWords.Held(_set), _set.HeldToEnd is null ? SetTexts.FigureHeldNone : SetTexts.FigureHeldHow),
        new Figure(SetTexts.FigureParts, SetWords.Parts(_set), SetTexts.FigurePartsHow, null, _set.IsWhole ? null : Status.Degraded),
        new Figure(SetTexts.FigureProven, Figures.Format(SetTexts.PartsOf, _set.Parts.Count(part => SetWords.StatusOf(part, Estate, Time) == Status.Proven), _set.Parts.Count), SetTexts.FigureProvenHow),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _set = await Sets.FindAsync(Number, cancellationToken);

    private async Task<SeveralRequest> RequestAsync(IReadOnlyCollection<string> leaveOut, CancellationToken cancellationToken)
    {
        var version = await Library.NewestAsync(RecoveryRequests.WorkspacePlan, cancellationToken);
        return new SeveralRequest(version is null ? "" : Library.Read(version).Disasters[0], leaveOut) { Set = Number };
    }

    private string Behind(SetPartRow part) => part.SnapshotAt == _set!.MomentAt ? SetTexts.Newest : Figures.Duration(_set.MomentAt!.Value - part.SnapshotAt!.Value);

    private bool HasWal(string source) => Estate.Sources.FirstOrDefault(one => one.Name == source) is { } known && Estate.WalOf(known) is not null;

    private static string PointHref(string point) => $"/restore-points/{Uri.EscapeDataString(point)}";

    private static string ReachHref(string source, DateTimeOffset at) =>
        $"{SourceRows.Href(source)}?at={Uri.EscapeDataString(at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture))}";
}
