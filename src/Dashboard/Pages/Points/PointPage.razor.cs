using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>One restore point: what it holds, where, and what its validation found.</summary>
public partial class PointPage : LivePage
{
    private RestorePointRow? _point;
    private Run? _openValidation;
    private PointView _view = PointView.None;
    private PointKept? _kept;
    private IReadOnlyList<string> _away = [];
    private IReadOnlyList<RestorePointTierRow> _tiers = [];
    private IReadOnlyList<ValidationRow> _validations = [];
    private IReadOnlyList<StoredArtifact> _artifacts = [];

    /// <summary>The id, or the beginning of it.</summary>
    [Parameter]
    public string Id { get; set; } = "";

    /// <summary>Of a volume: the folder that is looked into.</summary>
    [SupplyParameterFromQuery]
    public string? Path { get; set; }

    /// <summary>Of a volume: the name that is looked for.</summary>
    [SupplyParameterFromQuery]
    public string? Find { get; set; }

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private PointKeeping Keeping { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_point!.Source, SourceRows.Href(_point.Source)), new Crumb(SourceRows.Short(_point.Id))];

    private bool IsCluster => _point!.Kind == VClusterBackup.Kind;

    private bool IsVolume => _point!.Kind == VolumeDriver.ManifestKind;

    private Status Verdict => PointProof.StatusOf(_validations.Count == 0 ? null : _validations[0], ProofLifetime, Time.GetUtcNow());

    private string? VerdictWord => Verdict == Status.Failed ? PageTexts.FailedValidation : null;

    private TimeSpan ProofLifetime => Estate.ProofLifetimeOf(_point!.Source, _point.Class);

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var point = _point!;
            var last = _validations is [var newest, ..] ? newest : null;
            var proven = _validations.FirstOrDefault(one => one.Passed);
            var read = _tiers.Where(tier => tier.VerifiedAt is not null).Max(tier => tier.VerifiedAt);
            return
            [
                new Figure(PageTexts.FigureMade, Figures.Moment(point.CreatedAt, Time), Figures.Format(PageTexts.MadeFrom, point.Source)),
                new Figure(PageTexts.FigureCommitted, Figures.Moment(point.CompletedAt, Time), Figures.Format(PageTexts.CommittedIn, Figures.List(_tiers.Select(tier => tier.Tier)))),
                new Figure(PageTexts.FigureReadBack, read is { } at ? Figures.Moment(at, Time) : PageTexts.Never, PageTexts.ReadBackHow, read is null ? Status.NotRun : Status.ReadBack),
                new Figure(PageTexts.FigureRestored, proven is null ? PageTexts.Never : Figures.Moment(proven.ValidatedAt, Time),
                    proven is { RestoreSeconds: { } seconds } ? Figures.Format(PageTexts.RestoredIn, Figures.Duration(TimeSpan.FromSeconds(seconds))) : PageTexts.StepFiveNotRun,
                    proven is null ? Status.NotRun : PointProof.OfProof(proven.ValidatedAt, ProofLifetime, Time.GetUtcNow())),
                new Figure(PageTexts.FigureProofUntil, proven is null ? PageTexts.NoProof : Figures.Moment(proven.ValidatedAt + ProofLifetime, Time),
                    last is { Passed: false, NotProvable: false } ? PageTexts.LastValidationFailed : Figures.Format(PageTexts.ProofHoldsFor, Figures.Target(ProofLifetime)), null, last is { Passed: false, NotProvable: false } ? Status.Failed : null),
            ];
        }
    }

    private IEnumerable<NamedFact> Facts
    {
        get
        {
            var point = _point!;
            yield return new NamedFact(PageTexts.ColumnSource, $"{point.Workspace} / {point.Source}");
            yield return new NamedFact(PageTexts.FactClass, point.Class);
            yield return new NamedFact(PageTexts.FactKind, point.Kind);
            yield return new NamedFact(PageTexts.ColumnSize, Figures.Bytes(point.Bytes));
            yield return new NamedFact(PageTexts.ColumnNew, Figures.Bytes(point.StoredBytes));
            yield return new NamedFact(PageTexts.FactEncryption, PageTexts.EncryptionWords);
            yield return new NamedFact(PageTexts.FactId, point.Id);
        }
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var point = await Catalog.FindAsync(Id, cancellationToken);
        _kept = await Keeping.ReadAsync(point, cancellationToken);
        _tiers = await Catalog.TiersAsync(point.Id, cancellationToken);
        _validations = await Catalog.ValidationsAsync(point.Id, cancellationToken);
        var runs = await Runs.ListAsync(point.Source, RunKinds.Validation, null, 20, cancellationToken);
        _openValidation = runs.FirstOrDefault(run => run.IsOpen && run.RestorePoint == point.Id);
        _artifacts = JsonSerializer.Deserialize<List<StoredArtifact>>(point.ArtifactsJson, JsonSerializerOptions.Web)!;
        var totals = point.FactsJson is null ? null : FactsSummary.TryParse(JsonElement.Parse(point.FactsJson));
        _view = PointView.From(_validations is [var last, ..] ? last : null, totals, Time);
        _point = point;
    }

    private Task ValidateAsync() => ActAsync(async (actor, token) =>
    {
        var run = await Requests.ValidateAsync(_point!.Id, null, actor, token);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });

    private Task<bool> PlaceHoldAsync(HoldRequest asked) => ChangeHoldsAsync((actor, token) => Keeping.PlaceAsync(_point!.Id, asked, actor, token));

    private Task<bool> ReleaseHoldAsync(HoldRelease asked) => ChangeHoldsAsync((actor, token) => Keeping.ReleaseAsync(asked, actor, token));

    private async Task<bool> ChangeHoldsAsync(Func<string, CancellationToken, Task<IReadOnlyList<string>>> change)
    {
        var isDone = false;
        await ActAsync(async (actor, token) =>
        {
            _away = await change(actor, token);
            isDone = true;
            await RefreshAsync(token);
        });
        return isDone;
    }

    /// <param name="part">Of a volume: the folder or file to restore; empty for everything.</param>
    private Task RestoreAsync(string? part) => AskRestoreAsync(async (request, _) =>
    {
        var source = Estate.Sources.FirstOrDefault(one => one.Name == _point!.Source);
        var asked = await RestoreDialog.ShowAsync(Dialogs, _point!, source, Verdict, part: part);
        if (asked is null)
        {
            return;
        }

        var run = await request(Requests, asked);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });
}
