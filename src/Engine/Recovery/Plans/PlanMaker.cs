using System.Globalization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What a plan is made for.</summary>
/// <param name="Source">The source to recover.</param>
/// <param name="Disaster">What happened, as the classification names it.</param>
/// <param name="Incident">The incident that it answers, or null.</param>
/// <param name="FirstEvidence">When the first evidence of damage was seen; where the damage may be in later backups, the recovery goes to before that.</param>
/// <param name="Moment">A moment that a person chose, or null.</param>
/// <param name="IsSketch">True where nobody will carry it out, but only look whether one can be made: then no contents are compared, and no living cluster read, which takes as long as reading all of them.</param>
public sealed record PlanRequest(
    string Source, string Disaster, long? Incident = null, DateTimeOffset? FirstEvidence = null, DateTimeOffset? Moment = null, bool IsSketch = false)
{
    /// <summary>This restore point, and its own content without any WAL that follows; null for the newest that does.</summary>
    public string? ExactPoint { get; init; }
}

/// <summary>Makes a template's version concrete for one source: chooses the restore point and the moment, and says exactly what each step will do.</summary>
public sealed class PlanMaker(
    ProtectedEstate estate, RecoveryActions actions, PointChoice choice, RestorePointAccess access, RecoverableWindows windows, StepDurations durations,
    InPlacePlans inPlace, IncidentStore incidents)
{
    private const string Corruption = "DATABASE_CORRUPTION";

    /// <summary>The plan; nothing is changed.</summary>
    /// <exception cref="EngineException">
    /// <c>no-valid-backup</c>; <c>recovery-not-configured</c>: nothing says how to stop the service or where its data is;
    /// <c>plan-kind</c>; <c>moment-out-of-reach</c>.
    /// </exception>
    public async Task<RecoveryPlan> MakeAsync(PlanVersion version, PlanTemplate template, PlanRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(version);
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(request);
        var source = estate.SourceNamed(request.Source);
        RequireKind(source, template);
        var (refused, (target, basis, loss, notes)) = await FindAsync(source, template, request, cancellationToken);
        var plan = new RecoveryPlan
        {
            Template = version.Plan,
            TemplateVersion = version.Version,
            TemplateHash = version.Hash,
            Title = template.Title,
            Disaster = request.Disaster,
            Source = source.Name,
            Workspace = source.Workspace,
            Incident = request.Incident,
            Basis = basis,
            Loss = loss,
            Target = target,
            Gate = template.GateIn(estate),
            OnFailure = template.OnFailure,
            Steps = await StepsAsync(template, target, basis, source.Name, cancellationToken),
            Notes = [.. notes, .. refused.Select(one => $"passed over: {one}")],
            RtoSeconds = estate.ClassOf(source).Rto.TotalSeconds,
            Class = source.Class,
            RpoSeconds = estate.ClassOf(source).Rpo.TotalSeconds,
        };
        return request.IsSketch ? plan : await LookedAtAsync(plan, cancellationToken);
    }

    /// <summary>The plan with what is to be known of what its steps act on, as it stands now.</summary>
    internal async Task<RecoveryPlan> LookedAtAsync(RecoveryPlan plan, CancellationToken cancellationToken)
    {
        var outlook = await LookAsync(plan, cancellationToken);
        return plan with { Notes = [.. plan.Notes, .. outlook.Notes, .. outlook.Obstacles.Select(obstacle => $"as it is now a step would fail: {obstacle}")] };
    }

    /// <summary>How what a plan's steps act on stands now.</summary>
    public async Task<ActionOutlook> LookAsync(RecoveryPlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        // At the same time: a cluster that does not answer is waited for, and one plan must not hold up another.
        var found = await Task.WhenAll(plan.Steps.DistinctBy(step => (step.Part, step.Action)).Select(async step =>
        {
            var one = await actions.Named(step.Action).LookAsync(plan.For(step).Target, cancellationToken);
            string Said(string text) => step.Part is { } part ? $"{part}: {text}" : text;
            return new ActionOutlook([.. one.Notes.Select(Said)], [.. one.Obstacles.Select(Said)]);
        }));
        // Stop and start look at the same service.
        return new ActionOutlook([.. found.SelectMany(one => one.Notes).Distinct()], [.. found.SelectMany(one => one.Obstacles).Distinct()]);
    }

    private async Task<(IReadOnlyList<RefusedPoint> Refused, InPlaceRecovery Made)> FindAsync(Source source, PlanTemplate template, PlanRequest request, CancellationToken cancellationToken)
    {
        if (!template.Restores)
        {
            return request is { ExactPoint: null, Moment: null }
                ? ([], new InPlaceRecovery(LivingTarget.Of(source), RecoveryBasis.None, LossWindow.None, []))
                : throw new EngineException("plan-restores-nothing", ErrorKind.Input, $"plan {template.Name} restores nothing, so that there is no moment to choose", "leave the moment out, or choose a plan that restores");
        }

        var (chosen, made) = await ChooseAsync(source, template, request, cancellationToken);
        return (chosen.Refused, made);
    }

    /// <summary>What of a source is recovered from which point: the newest that does; one that the driver finds unfit to be put back in place is passed over like any other.</summary>
    internal async Task<(ChosenPoint Chosen, InPlaceRecovery Made)> ChooseAsync(Source source, PlanTemplate template, PlanRequest request, CancellationToken cancellationToken)
    {
        var postgres = source.Postgres is null ? null : TargetOf(source);
        if (postgres is null)
        {
            InPlacePlans.Require(source);
        }

        // Whatever is asked for, and by whom: while a corruption is open, what was backed up after its first evidence may hold it.
        var corruption = await incidents.FreezingAsync(source.Name, cancellationToken);
        // What no WAL follows is backed up as it is: what was deleted or spoilt is so in every restore point after the first evidence.
        var evidence = request.Disaster == Corruption || postgres is null ? request.FirstEvidence : null;
        var before = request.Moment ?? (corruption is not null && !(evidence <= corruption.FirstEvidenceAt) ? corruption.FirstEvidenceAt : evidence);
        var (chosen, made) = await ChooseAsync(source, template, postgres, before, request, cancellationToken);
        if (request.Disaster == Corruption || corruption is not null)
        {
            // What is damaged goes on taking writes: its first evidence is not when the last one was accepted.
            made = made with { Loss = made.Loss with { Until = null } };
        }

        return corruption is null
            ? (chosen, made)
            : (chosen, made with { Basis = made.Basis with { Corruption = corruption.Id.Value, CorruptionSince = corruption.FirstEvidenceAt }, Notes = [NoteOf(corruption, chosen, made), .. made.Notes] });
    }

    private static string NoteOf(Incident corruption, ChosenPoint chosen, InPlaceRecovery made)
    {
        var at = string.Create(CultureInfo.InvariantCulture, $"incident {corruption.Id} saw the first evidence of corruption at {corruption.FirstEvidenceAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
        // A backup holds what was written while it ran.
        return made.Loss.From <= corruption.FirstEvidenceAt && chosen.Point.CompletedAt <= corruption.FirstEvidenceAt
            ? $"{at}: nothing that was written after it comes back"
            : $"{at}, and this recovery goes to a later moment, as it was asked for: the damage may come back";
    }

    private async Task<(ChosenPoint Chosen, InPlaceRecovery Made)> ChooseAsync(
        Source source, PlanTemplate template, RecoveryTarget? postgres, DateTimeOffset? before, PlanRequest request, CancellationToken cancellationToken)
    {
        if (request.ExactPoint is { } exact)
        {
            var point = await choice.ExactlyAsync(source, exact, cancellationToken);
            return (point, postgres is null
                ? await inPlace.MakeAsync(source, template, point, request, cancellationToken)
                : await BasisAsync(source, postgres, point, null, request, cancellationToken));
        }

        TimeSpan? oldest = template.MaximumPointAgeHours is { } hours ? TimeSpan.FromHours(hours) : null;
        var unfit = new Dictionary<string, string>();
        while (true)
        {
            var chosen = await choice.ChooseAsync(source, oldest, before, unfit, cancellationToken);
            try
            {
                return (chosen, postgres is null
                    ? await inPlace.MakeAsync(source, template, chosen, request, cancellationToken)
                    : await BasisAsync(source, postgres, chosen, before, request, cancellationToken));
            }
            catch (EngineException fault) when (fault.Code == InPlacePlans.UnfitCode)
            {
                unfit.Add(chosen.Point.Id, fault.Message);
            }
        }
    }

    private static void RequireKind(Source source, PlanTemplate template)
    {
        if (template.Covers != PlanCover.Source || !template.IsOfKind(source))
        {
            throw new EngineException("plan-kind", ErrorKind.Input, $"plan {template.Name} is for {template.Kind}, {source.Name} is of kind {source.Kind.ToString().ToLowerInvariant()}",
                "choose a plan for its kind");
        }
    }

    /// <summary>Whether a server can be put back in its place: only by physical backups, and where its data is known and on this machine.</summary>
    internal static bool IsPutBack(PostgresSettings server) => server is { DataDirectory: not null, Node: null, Mode: not PostgresMode.Logical };

    private static RecoveryTarget TargetOf(Source source)
    {
        if (source.Postgres!.Node is { } node)
        {
            throw new EngineException("recovery-not-configured", ErrorKind.Unsupported,
                $"{source.Name} cannot be recovered in place: its data directory is on node {node}, and a plan restores on the console's machine only",
                "restore it by hand on that node, with pgdata:/path?inPlace=aside; or restore it into a new database");
        }

        if (!IsPutBack(source.Postgres!))
        {
            throw new EngineException("recovery-not-configured", ErrorKind.Unsupported,
                $"{source.Name} cannot be recovered in place: its data directory is not known here, or it has no physical backups",
                "set Postgres:Mode to physical or both and Postgres:DataDirectory; or restore it into a new database");
        }

        return LivingTarget.Of(source);
    }

    private async Task<InPlaceRecovery> BasisAsync(
        Source source, RecoveryTarget target, ChosenPoint chosen, DateTimeOffset? before, PlanRequest request, CancellationToken cancellationToken)
    {
        var point = chosen.Point;
        var wantsWal = request.ExactPoint is null && estate.WalOf(source) is not null;
        List<string> notes = [];
        var (tier, repository) = await access.OpenForAsync(
            point, new PgDataTarget(target.DataDirectory, Time: wantsWal ? before : null, ToEnd: wantsWal && before is null), notes.Add, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            DataDirectoryMount.Require(target.DataDirectory, manifest);
            var cluster = await ClusterFacts.ReadAsync(repository, manifest, cancellationToken);
            if (cluster.Tablespaces.Count > 0)
            {
                throw new EngineException("recovery-tablespaces", ErrorKind.Unsupported,
                    $"{source.Name} has {Counted.Of(cluster.Tablespaces.Count, "tablespace")}: this version recovers no such cluster in place",
                    "restore it into a new data directory (pgdata:), which unpacks its tablespaces beside it");
            }

            notes.Insert(0, $"read from tier {tier.Name}");
            if (chosen.ProvenAt is null)
            {
                notes.Add("no restore of this restore point has been proven yet");
            }

            // The last commit BEFORE the moment is wanted; after corruption the evidence itself must not come back.
            var window = wantsWal ? await windows.ReadInAsync(source, tier, cancellationToken) : null;
            var stretch = window is null ? null : StretchOf(window, point.PointId, before);
            if (stretch is null)
            {
                return new(target, new RecoveryBasis(point.Id, point.CreatedAt, LogicalRestore.HashOf(manifest), null, false, chosen.ProvenAt),
                    new LossWindow(point.CreatedAt, request.FirstEvidence, request.ExactPoint is null ? "the restore point's own time: no WAL follows it" : "the restore point's own time: what was committed after it is left out"), notes);
            }

            if (request.Moment is { } wanted && wanted > stretch.To)
            {
                throw new EngineException("moment-out-of-reach", ErrorKind.NotFound,
                    $"{wanted.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC lies after the last WAL that is stored ({stretch.To.UtcDateTime:HH:mm:ss} UTC)", "choose an earlier moment, or none");
            }

            if (window!.HasBranches)
            {
                notes.Add(BranchNote(window, stretch, before));
            }

            // While the plan waits for its approval more WAL is stored: that it ends before the evidence now is no reason to replay all of it then.
            var isStored = before < stretch.To;
            return new(target, new RecoveryBasis(point.Id, point.CreatedAt, LogicalRestore.HashOf(manifest), before, !isStored, chosen.ProvenAt) { Timeline = window.HasBranches && before is not null ? stretch.Timeline : null },
                new LossWindow(isStored ? before!.Value : stretch.To, request.FirstEvidence,
                    isStored ? "recovered to just before that moment" : $"the last WAL in tier {tier.Name} was stored then"), notes);
        }
    }

    /// <summary>
    /// Along which timeline a restore point is recovered: the newest that holds the moment, or without one the newest. One that
    /// leads only along a branch that was left is none to recover from, whatever its age. Null where no WAL follows it.
    /// </summary>
    private static WindowStretch? StretchOf(RecoverableWindow window, RestorePointId point, DateTimeOffset? before)
    {
        var own = window.Stretches.Where(one => one.HasLength && one.BeginsWith(point)).ToList();
        var best = before is { } moment && window.Holding(moment) is [var holding, ..] ? holding : before is null || before > window.Living?.To ? window.Living : null;
        if (best is not { HasLength: true } || own.Count == 0)
        {
            return own.Where(one => before is null || one.From <= before).MaxBy(one => one.Timeline) ?? own.MinBy(one => one.From);
        }

        // Before a hole in the same timeline it does as far as its WAL goes.
        return own.Find(one => one == best) ?? own.FindLast(one => (one.Cluster, one.Timeline) == (best.Cluster, best.Timeline)) ?? throw new EngineException(
            InPlacePlans.UnfitCode, ErrorKind.Unsupported,
            $"it leads along timeline {own[^1].Timeline} only, and {(before is null ? "the newest" : "that moment")} is on timeline {best.Timeline}",
            "choose a moment on its own timeline, or an older restore point");
    }

    private static string BranchNote(RecoverableWindow window, WindowStretch stretch, DateTimeOffset? before)
    {
        var others = before is { } moment ? window.Holding(moment).Where(one => one.Cluster == stretch.Cluster && one.Timeline != stretch.Timeline).Select(one => one.Timeline).ToList() : [];
        return others.Count == 0
            ? $"along timeline {stretch.Timeline}"
            : $"along timeline {stretch.Timeline}; timeline {string.Join(" and ", others)} {(others.Count > 1 ? "hold" : "holds")} that moment too, in another state: restore it by hand where that is meant (timeline={others[0]})";
    }

    private async Task<IReadOnlyList<PlannedStep>> StepsAsync(
        PlanTemplate template, RecoveryTarget target, RecoveryBasis basis, string source, CancellationToken cancellationToken)
    {
        var measured = await durations.ReadAsync(source, cancellationToken);
        return
        [
            .. template.Steps.Select((step, index) =>
            {
                var action = actions.Named(step.Action);
                if (!action.ActsOn(target))
                {
                    throw new EngineException("plan-kind", ErrorKind.Input, $"step {step.Name} of plan {template.Name}: {step.Action} is not for a {template.Kind}",
                        $"save a version without it; {(target.InPlace is null ? RestoreFromBackup.ActionName : RestoreInPlace.ActionName)} restores a {template.Kind}");
                }

                return PlannedStep.Of(step, action, index + 1, target, basis, measured);
            }),
        ];
    }
}
