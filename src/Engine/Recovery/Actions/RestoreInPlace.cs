using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Restores a volume, a virtual cluster or a stopped Redis over what is there, by its restore driver: exactly the driver's plan that was approved,
/// under the run's name, by which the driver knows its half-made work again. Verified and undone as the driver does it. In a drill
/// the restore point is restored into a scratch place and compared there.
/// </summary>
public sealed class RestoreInPlace(RestorePointCatalog points, RestorePointAccess access, RestoreDrivers drivers, OperatorChecks checks, ScratchProofs proofs, ProtectedEstate estate) : IRecoveryAction
{
    public const string ActionName = "restore_in_place";

    /// <summary>So many lines of the driver's are among the step's; the plan holds all of them.</summary>
    private const int NotesShown = 40;

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Probeable;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public bool ActsOn(RecoveryTarget target) => target.InPlace is not null || target.Proof is not null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters)
    {
        if (target.Proof is { } scratch)
        {
            return [$"restore point {new RestorePointId(basis.RestorePoint).Short} (content {basis.ManifestHash[..12]}) into {scratch.Place} below {scratch.Root}, and compare its content with the facts of the backup"];
        }

        var plan = target.InPlace!.Plan;
        return
        [
            $"restore point {new RestorePointId(basis.RestorePoint).Short} (content {basis.ManifestHash[..12]}) to {plan.Target}, by the restore plan {plan.Hash[..12]}",
            .. plan.Notes.Take(NotesShown),
            .. plan.Notes.Count > NotesShown ? [$"and {Counted.Of(plan.Notes.Count - NotesShown, "line")} more; the hash covers each of them"] : Array.Empty<string>(),
            .. ChecksOf(target).Select(check => $"check '{check.Name}': {OperatorChecks.Text(check)}"),
        ];
    }

    /// <remarks>Of a volume also that its disk is there still: else its files would fill the disk that the empty mount point lies on.</remarks>
    public async Task RequireAsync(RecoveryTarget target, RecoveryBasis basis, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        var manifest = await ApprovedContent.RequireAsync(points, access, basis, cancellationToken);
        if (target.InPlace is { } place && RestoreTarget.Parse(place.Place, "/") is DirectoryTarget directory
            && estate.Sources.FirstOrDefault(source => source.Name == manifest.Source)?.Volume is { } settings)
        {
            VolumePreflight.CheckTarget(settings, directory.Path, VolumeFacts.Of(manifest));
        }
    }

    public Task<JsonElement> CaptureAsync(ActionContext context) =>
        Task.FromResult(ActionContext.Data(new { place = context.Target.Proof?.Place ?? PlanOf(context).Target, operation = context.Operation }));

    public Task<StepEffect> ActAsync(ActionContext context) => context.Target.Proof is not null
        ? ProveAsync(context)
        : WithAsync(context, async (driver, work) => Effect(await driver.ExecuteAsync(work, context.Cancellation)));

    /// <remarks>An interrupted drill begins anew; what its attempt left is removed before.</remarks>
    public Task<EffectProbe> ProbeAsync(ActionContext context) => context.Target.Proof is not null ? Task.FromResult<EffectProbe>(new EffectProbe.NotDone()) : WithAsync<EffectProbe>(context, async (driver, work) =>
        await driver.FindFinishedAsync(work, context.Cancellation) is { } outcome ? new EffectProbe.Done(Effect(outcome)) : new EffectProbe.NotDone());

    public async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        if (context.Target.Proof is not null)
        {
            return context.Effect!.Value.GetProperty("proof").Deserialize<StepVerification>(JsonSerializerOptions.Web)!;
        }

        var finding = await WithAsync(context, (driver, work) => driver.CheckAsync(work, context.Cancellation));
        if (!finding.IsAsPlanned)
        {
            return new StepVerification(false, finding.Text);
        }

        var found = new List<string> { finding.Text };
        foreach (var check in ChecksOf(context.Target))
        {
            var (passed, text) = await checks.AskAsync(check, context);
            if (!passed)
            {
                return new StepVerification(false, text);
            }

            found.Add(text);
        }

        return new StepVerification(true, string.Join("; ", found));
    }

    /// <summary>Needs no tier: one that is away must not keep the old state from coming back.</summary>
    public async Task<string> RollBackAsync(ActionContext context)
    {
        if (context.Target.Proof is not null)
        {
            return "the scratch place is gone with what was in it";
        }

        return await drivers.InPlaceOf(PlanOf(context)).TakeBackAsync(PlanOf(context), context.Operation, context.Cancellation)
            ?? (context.Effect is null ? "nothing had been changed"
                : context.IsGoneOnWith ? "nothing of it is left to be taken back"
                : throw new EngineException("former-state-gone", ErrorKind.Conflict,
                    $"what {PlanOf(context).Target} held before is not where the restore had put it aside: what was restored stays", "look who has removed it; it can only come back from a restore point"));
    }

    /// <summary>A service that is started after it is asked then.</summary>
    private static IReadOnlyList<OperatorCheck> ChecksOf(RecoveryTarget target) => target.Service is null ? target.Checks : [];

    private static RestorePlan PlanOf(ActionContext context) => context.Target.InPlace!.Plan;

    private static StepEffect Effect(RestoreOutcome outcome)
    {
        var phases = outcome.Phases ?? [];
        var took = outcome.Seconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"restored in {seconds:0.0} s") : "an interrupted attempt had restored it";
        return new StepEffect(
            string.Join("; ", new[] { took, string.Join(", ", phases.Select(phase => string.Create(CultureInfo.InvariantCulture, $"{phase.Name} {phase.Seconds:0.0} s"))) }
                .Where(text => text.Length > 0).Concat(outcome.Warnings).Concat(outcome.Notes)),
            ActionContext.Data(new RestoredCluster(phases, null)));
    }

    /// <summary>Below the drill's own folder, so that whoever looks whether anything is left sees it.</summary>
    private async Task<StepEffect> ProveAsync(ActionContext context)
    {
        var point = await points.ResolveAsync(context.Plan.Basis.RestorePoint, context.Cancellation);
        var (tier, repository) = await access.OpenAsync(point, null, context.Cancellation);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
            if (LogicalRestore.HashOf(manifest) != context.Plan.Basis.ManifestHash)
            {
                throw new EngineException("restore-point-changed", ErrorKind.Conflict, $"restore point {point.PointId.Short} is not the content that the drill was planned for", "drill it again");
            }

            context.Log($"restore point {point.PointId.Short} from tier {tier.Name}");
            var proof = await proofs.ProveAsync(repository, manifest, context.Scratch!.Passage, context.Progress, (phase, text) => context.Log($"{phase}: {text}"), context.Cancellation);
            return new StepEffect(
                string.Join(", ", proof.Phases.Select(phase => string.Create(CultureInfo.InvariantCulture, $"{phase.Name} {phase.Seconds:0.0} s"))),
                ActionContext.Data(new { phases = proof.Phases, lastTransaction = (string?)null, proof = new StepVerification(proof.Passed, proof.Text) }));
        }
    }

    private async Task<T> WithAsync<T>(ActionContext context, Func<IInPlaceDriver, RestoreWork, Task<T>> act)
    {
        var plan = PlanOf(context);
        var point = await points.ResolveAsync(plan.RestorePointId, context.Cancellation);
        var (tier, repository) = await access.OpenAsync(point, null, context.Cancellation);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
            // The driver need not look at it: what was approved is this content, and no other.
            LogicalRestore.RequireSame(plan, plan.Hash, manifest);
            context.Log($"restore point {point.PointId.Short} from tier {tier.Name}");
            return await act(drivers.InPlaceOf(plan), new RestoreWork(
                repository, manifest, plan, plan.Hash, context.Operation, context.Progress, (phase, text) => context.Log($"{phase}: {text}")));
        }
    }
}
