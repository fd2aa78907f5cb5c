using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>
/// Asks where to restore, shows the plan that follows, and ends with that plan once the new target's name was typed. Passwords
/// are named by a file on the console's machine; none is typed here.
/// </summary>
public partial class RestoreDialog
{
    private readonly RestoreForm _form = new();
    private Exception? _fault;
    private bool _isPlanning;
    private ClaimPlace? _claim;
    private string? _claimNote;

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    /// <summary>The source's server, to start from; null where the configuration no longer names it.</summary>
    [Parameter]
    public Source? Source { get; set; }

    /// <summary>What is known of the point.</summary>
    [Parameter]
    public Status Verdict { get; set; }

    /// <summary>The moment to recover to; null for the restore point itself.</summary>
    [Parameter]
    public DateTimeOffset? Moment { get; set; }

    /// <summary>The timeline that holds the moment; null where there is only one.</summary>
    [Parameter]
    public uint? Timeline { get; set; }

    /// <summary>Of a volume: the folder, with a slash at its end, or the file to restore; null or empty for everything.</summary>
    [Parameter]
    public string? Part { get; set; }

    /// <summary>Of a virtual cluster: the claim whose data is restored; null for other restore points.</summary>
    [Parameter]
    public CapturedVolume? Claim { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [CascadingParameter]
    private IMudDialogInstance? Dialog { get; set; }

    /// <summary>Shows the dialog; the confirmed plan, or null.</summary>
    public static async Task<RestorePlan?> ShowAsync(
        IDialogService dialogs, RestorePointRow point, Source? source, Status verdict, DateTimeOffset? moment = null, string? part = null, CapturedVolume? claim = null, uint? timeline = null)
    {
        var parameters = new DialogParameters<RestoreDialog>
        {
            { dialog => dialog.Point, point }, { dialog => dialog.Source, source }, { dialog => dialog.Verdict, verdict }, { dialog => dialog.Moment, moment },
            { dialog => dialog.Part, part }, { dialog => dialog.Claim, claim },
            { dialog => dialog.Timeline, timeline },
        };
        var shown = await dialogs.ShowAsync<RestoreDialog>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        return await shown.Result is { Canceled: false, Data: RestorePlan plan } ? plan : null;
    }

    /// <inheritdoc/>
    protected override async Task OnInitializedAsync()
    {
        Begin();
        if (Source?.Volume is { Claim: not null } volume && IsVolume)
        {
            await FindClaimAsync(volume);
            Into(_form.Into);
        }
    }

    /// <summary>Where a claim's volume is now, or why nobody can tell here: a person may still name a directory.</summary>
    private async Task FindClaimAsync(VolumeSettings volume)
    {
        if (volume.Node is { } node)
        {
            _claimNote = Figures.Format(VolumeTexts.ClaimOnNode, node);
            return;
        }

        try
        {
            _claim = await ClaimPlace.FindAsync(volume, Time, CancellationToken.None);
            _claimNote = _claim.Pod is { } pod ? Figures.Format(VolumeTexts.ClaimOfPod, pod, _claim.Path) : Figures.Format(VolumeTexts.ClaimHere, _claim.Path);
        }
        catch (EngineException fault)
        {
            _claimNote = Figures.Format(VolumeTexts.ClaimNotHere, fault.Message);
        }
    }

    private void Begin()
    {
        if (IsCluster)
        {
            (_form.Into, _form.Moment, _form.Timeline) = (RestoreInto.DataDirectory, Moment, Timeline);
        }
        else if (IsRedis)
        {
            // Not the source's own address: it is not empty, and a slip would be aimed at what is alive.
            (_form.Into, _form.Port) = (RestoreInto.RedisServer, "6379");
        }
        else if (IsVolume)
        {
            _form.Part = (Part ?? "").Trim('/');
            _form.Claim = Claim is { } claim ? $"{claim.Namespace}/{claim.Claim}" : "";
            Into(RestoreInto.Folder);
        }
        else if (Source?.Postgres is { } source)
        {
            (_form.Host, _form.Port) = (source.Host, source.Port.ToString(CultureInfo.InvariantCulture));
            _form.Database = $"{source.Database}_{Point.CreatedAt.UtcDateTime.ToString("yyyyMMdd_HHmm", CultureInfo.InvariantCulture)}";
        }
    }

    private bool IsRedis => Point.Kind == RedisBackup.Kind;

    private bool IsCluster => Point.Strategy == PhysicalBackup.Strategy;

    private bool IsVolume => Claim is not null || Point.Kind == VolumeDriver.ManifestKind;

    /// <summary>Beside the volume, or the volume itself; a person corrects it where it is to go elsewhere.</summary>
    private void Into(RestoreInto into)
    {
        _form.Into = into;
        // Beside the mount of a Pod there is the kubelet's own folder, where nobody puts anything.
        if ((Claim?.Path ?? Source?.Volume?.Path ?? (into == RestoreInto.InPlace || _claim?.Pod is null ? _claim?.Path : null)) is { } path)
        {
            _form.Folder = into == RestoreInto.InPlace ? PlaceOfPart(path)
                : $"{path}.{Point.CreatedAt.UtcDateTime.ToString("yyyyMMdd-HHmm", CultureInfo.InvariantCulture)}";
        }
        else if (Source?.Volume?.Claim is not null)
        {
            _form.Folder = "";
        }
    }

    /// <summary>A folder goes where it was, a file into the folder that it was in.</summary>
    private string PlaceOfPart(string root) => Path.Combine(root, Part is { Length: > 0 } part && !part.EndsWith('/') ? Path.GetDirectoryName(_form.Part) ?? "" : _form.Part);

    private async Task PlanAsync()
    {
        (_isPlanning, _fault) = (true, null);
        try
        {
            var plan = await Requests.PlanRestoreAsync(Point.Id, _form.ToTarget(), Estate.DataDirectory, CancellationToken.None);
            if (await ConfirmAsync(plan))
            {
                Dialog?.Close(DialogResult.Ok(plan));
            }
        }
        catch (Exception fault)
        {
            // The edge of a dialog: what stands against the restore is shown where the person can correct it.
            _fault = fault;
        }

        _isPlanning = false;
    }

    private async Task<bool> ConfirmAsync(RestorePlan plan)
    {
        var parameters = new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, Figures.Format(PageTexts.ConfirmTitle, SourceRows.Short(plan.RestorePointId), _form.Name) },
            { dialog => dialog.Consequence, _form.Into switch
            {
                RestoreInto.InPlace => VolumeTexts.ConfirmPlace,
                RestoreInto.Folder => PageTexts.ConfirmFolder,
                RestoreInto.DataDirectory => WindowTexts.ConfirmCluster,
                RestoreInto.RedisServer => plan.WritesOver ? PageTexts.ConfirmRedisOver : PageTexts.ConfirmRedis,
                _ => PageTexts.ConfirmDatabase,
            } },
            { dialog => dialog.Word, _form.Name },
            { dialog => dialog.ActionText, Figures.Format(PageTexts.ConfirmAction, _form.Name) },
            { dialog => dialog.IsDestructive, plan.WritesOver },
            { dialog => dialog.Facts, Facts(plan, Estate.RestoreApprovals) },
        };
        var shown = await Dialogs.ShowAsync<TypedConfirmation>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        return await shown.Result is { Canceled: false };
    }

    /// <summary>What a person confirms.</summary>
    /// <param name="approvals">How many others approve what writes over something that lives.</param>
    private static IReadOnlyList<NamedFact> Facts(RestorePlan plan, int approvals) =>
    [
        new NamedFact(PageTexts.FactTarget, plan.Target),
        .. RecoveryWords.ApprovalsOf(plan, approvals),
        new NamedFact(PageTexts.Artifacts, Figures.List(plan.Artifacts.Select(artifact => $"{artifact.Name} {Figures.Bytes(artifact.Bytes)}"))),
        .. plan.NotesToShow.Select(note => new NamedFact(PageTexts.PlanNote, note)),
        new NamedFact(PageTexts.FactPlanHash, plan.Hash[..16]),
    ];

    private void Cancel() => Dialog?.Cancel();
}
