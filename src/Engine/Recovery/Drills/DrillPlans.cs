using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>
/// Makes a drill's plan: the same plan as a recovery would get now, with a scratch place instead of the living server, and without
/// what could only be done to what lives. No approval is needed for it, because no path, address or command of the living source
/// is in it, and <see cref="Require"/> refuses one that has any.
/// </summary>
public sealed class DrillPlans(
    PlanMaker maker, SeveralPlans several, SeveralSubjects subjects, RecoveryActions actions, ProtectedEstate estate, RestorePointCatalog points, RestorePointAccess access, ValidationOptions options)
{
    /// <summary>Stands in a plan's texts for the folder that is made, under a new name, by each attempt.</summary>
    private const string Folder = "drill-RUN";

    /// <summary>The plan of a drill; nothing is changed.</summary>
    /// <param name="subject">The source; of a plan for several sources as <see cref="SeveralSubjects.NamedAsync"/> knows it.</param>
    /// <exception cref="EngineException">
    /// As <see cref="PlanMaker.MakeAsync"/> and <see cref="SeveralPlans.MakeAsync"/>: where a recovery could not be planned, no drill can. Of several sources none is left out:
    /// it would show something else. <c>drill-space</c>.
    /// </exception>
    public async Task<DrillPlan> MakeAsync(PlanVersion version, PlanTemplate template, string subject, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(template);
        if (!template.Restores)
        {
            throw ShowsNothing(template.Name, subject);
        }

        var living = template.Covers == PlanCover.Source
            ? await maker.MakeAsync(version, template, new PlanRequest(subject, template.Disasters[0], IsSketch: true), cancellationToken)
            : (await several.MakeAsync(version, template, (await subjects.NamedAsync(template, subject, cancellationToken)).Request, cancellationToken)).Require();
        var (drill, bytes) = await InScratchAsync(living, cancellationToken);
        DrillSpace.Require(options, bytes);
        return new DrillPlan(
            drill with
            {
                IsDrill = true,
                // Nothing is left to ask about: what failed is undone, as a recovery would, and then all of it is removed.
                OnFailure = FailurePolicy.RollBackAll,
                Steps = [.. living.Steps.Select(step => Practised(step, drill.For(step)))],
                Notes = [.. living.Notes, .. PlacesOf(living).Zip(PlacesOf(drill)).SelectMany(pair => NotAsked(living, pair.First, pair.Second.Target))],
            },
            FingerprintOf(living));
    }

    /// <summary>The plan with scratch places for all that lives, and what they hold together.</summary>
    private async Task<(RecoveryPlan Plan, long Bytes)> InScratchAsync(RecoveryPlan living, CancellationToken cancellationToken)
    {
        if (living.Several is not { } scope)
        {
            var (target, size) = await InScratchAsync(living.Source, living.Target, living.Basis, Folder, cancellationToken);
            return (living with { Target = target }, size);
        }

        var parts = new List<RecoveryPart>();
        var bytes = 0L;
        foreach (var (index, part) in scope.Parts.Index())
        {
            var (target, size) = await InScratchAsync(part.Source, part.Target, part.Basis, Path.Combine(Folder, DrillScratch.NameOf(index)), cancellationToken);
            parts.Add(part with { Target = target });
            bytes += size;
        }

        return (living with { Target = RecoveryTarget.None, Several = scope with { Parts = parts } }, bytes);
    }

    /// <summary>What a driver would restore in place is restored whole, into a place where nothing is: longer than a restore of what is lost.</summary>
    private async Task<(RecoveryTarget Target, long Bytes)> InScratchAsync(string source, RecoveryTarget living, RecoveryBasis basis, string folder, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(basis.RestorePoint, cancellationToken);
        if (living.InPlace is not null)
        {
            var place = estate.SourceNamed(source).Kind switch
            {
                SourceKind.Redis => "a scratch Redis",
                SourceKind.VCluster => "an empty scratch cluster",
                _ => "a scratch folder",
            };
            return (RecoveryTarget.None with { Proof = new ScratchRestore(options.ScratchRoot, place) }, point.Bytes);
        }

        var target = new RecoveryTarget(
            Path.Combine(options.ScratchRoot, folder, "data"), Path.Combine(options.ScratchRoot, folder, "run"), PostgresPort, living.Database, living.Username,
            null, new ServiceSettings(ServiceDriver.PgCtl), [.. living.Checks.Where(check => check.AsksWhereItIsTold)]) { Scratch = await PlaceAsync(point, cancellationToken) };
        return (target, point.Bytes);
    }

    /// <summary>What a plan recovers, each with where.</summary>
    private static IEnumerable<(string Source, RecoveryTarget Target)> PlacesOf(RecoveryPlan plan) =>
        plan.Several is { } scope ? scope.Parts.Select(part => (part.Source, part.Target)) : [(plan.Source, plan.Target)];

    private static IEnumerable<string> NotAsked(RecoveryPlan plan, (string Source, RecoveryTarget Target) living, RecoveryTarget scratch) => living.Target.Checks.Except(scratch.Checks)
        .Select(check => $"{(plan.Several is null ? "" : $"{living.Source}: ")}check '{check.Name}' is not asked in a drill: it would ask the living service ({OperatorChecks.Text(check)})");

    /// <summary>The same of all that a plan recovers.</summary>
    public static string FingerprintOf(RecoveryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return plan.Several is not { } scope ? FingerprintOf(plan.Target)
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', scope.Parts.OrderBy(part => part.Source, StringComparer.Ordinal).Select(part => $"{part.Source} {FingerprintOf(part.Target)}").Append(JsonSerializer.Serialize(plan.Target, JsonSerializerOptions.Web))))));
    }

    /// <summary>Names how a source is declared to be recovered: what a drill of another declaration proved says nothing about this one.</summary>
    public static string FingerprintOf(RecoveryTarget living)
    {
        ArgumentNullException.ThrowIfNull(living);
        // What a driver would do is another thing with every restore point and every changed file; where it does it is declared.
        var text = JsonSerializer.Serialize(living with { InPlace = null }, JsonSerializerOptions.Web) + living.InPlace?.Place;
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    /// <summary>Refuses a drill's plan that could touch anything that lives. Called when it is asked for, and before each attempt.</summary>
    /// <exception cref="EngineException"><c>drill-not-apart</c>, with all that stands against it; <c>drill-shows-nothing</c>: it restores nothing.</exception>
    public void Require(RecoveryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var against = Against(plan).ToList();
        if (against.Count > 0)
        {
            throw new EngineException("drill-not-apart", ErrorKind.Denied, $"the drill is not kept apart from what lives: {string.Join("; ", against)}", "ask for a drill anew");
        }

        RequireRestore(plan);
    }

    /// <summary>Whatever came of it, nothing would be shown; of several sources, of one of them.</summary>
    private static void RequireRestore(RecoveryPlan plan)
    {
        var restored = plan.Steps.Where(step => RestoringActions.Contains(step.Action) && step.NotExercised is null).ToList();
        if (PlacesOf(plan).FirstOrDefault(one => !restored.Any(step => plan.Several is null || step.Part == one.Source)).Source is { } idle)
        {
            throw ShowsNothing(plan.Template, idle);
        }
    }

    private static EngineException ShowsNothing(string plan, string idle) => new(
        "drill-shows-nothing", ErrorKind.Unsupported, $"plan {plan} restores nothing of {idle}, so a drill of it shows nothing",
        $"give it a step of {RestoreFromBackup.ActionName} or {RestoreInPlace.ActionName}, or do not drill it (drillEveryDays 0)");

    /// <summary>The plan in the folders of one attempt: where it works and whom it asks is decided here, whatever the plan says.</summary>
    internal static RecoveryPlan In(RecoveryPlan plan, DrillScratch scratch) => plan.Several is { } scope
        ? plan with { Several = scope with { Parts = [.. scope.Parts.Select(part => part with { Target = In(part.Target, scratch.Of(part.Source)) })] } }
        : plan with { Target = In(plan.Target, scratch.Whole) };

    private static RecoveryTarget In(RecoveryTarget target, ScratchFolder folder) => target.Proof is not null
        ? target
        : target with { DataDirectory = folder.DataFolder, Host = folder.FileOf("run"), Port = PostgresPort };

    private const int PostgresPort = 5432;

    private IEnumerable<string> Against(RecoveryPlan plan)
    {
        if (!plan.IsDrill || plan.Incident is not null)
        {
            yield return "it is no drill's plan";
        }

        var places = PlacesOf(plan).ToList();
        if (plan.Several is not null && !IsNone(plan.Target))
        {
            yield return "it names something beside its parts";
        }

        foreach (var twice in places.GroupBy(one => one.Source).Where(group => group.Count() > 1))
        {
            yield return $"{twice.Key} is in it twice";
        }

        foreach (var (source, target) in places)
        {
            foreach (var reason in Against(target))
            {
                yield return plan.Several is null ? reason : $"{source}: {reason}";
            }
        }

        foreach (var step in plan.Steps.Where(step => step.NotExercised is null))
        {
            var hasPlace = plan.Several is null ? step.Part is null : places.Any(one => one.Source == step.Part);
            if (!hasPlace || !IsFor(actions.Named(step.Action), plan.For(step).Target))
            {
                yield return $"step {step.Name} acts on what lives";
            }
        }
    }

    private IEnumerable<string> Against(RecoveryTarget target)
    {
        if ((target.Scratch?.Root ?? target.Proof?.Root) != options.ScratchRoot)
        {
            yield return $"its place is not below {options.ScratchRoot}";
        }

        if (target is not { PasswordFile: null, SwitchTraffic: null, SwitchBack: null, SwitchService: null, InPlace: null, Redis: null, Application: null }
            || target.Service is not (null or { Driver: ServiceDriver.PgCtl, Unit: null, Start: null, Stop: null, Status: null, Workload: null }) || (target.Service is null) != (target.Proof is not null))
        {
            yield return "its target names a service, a password or a traffic switch";
        }

        // A driver's scratch place is made by the drill itself, and has no other.
        if (target.Proof is not null && !IsNone(target with { Proof = null }))
        {
            yield return "its target names a place beside the scratch place";
        }

        foreach (var check in target.Checks.Where(check => !check.AsksWhereItIsTold))
        {
            yield return $"check '{check.Name}' asks the living service";
        }
    }

    /// <summary>Whether nothing is named at all.</summary>
    private static bool IsNone(RecoveryTarget target) => JsonSerializer.Serialize(target, JsonSerializerOptions.Web) == JsonSerializer.Serialize(RecoveryTarget.None, JsonSerializerOptions.Web);

    private static bool IsFor(IRecoveryAction action, RecoveryTarget scratch) => action.WhyNotOn(scratch) is null && action.ActsOn(scratch);

    /// <param name="plan">As the step has it.</param>
    private PlannedStep Practised(PlannedStep step, RecoveryPlan plan)
    {
        var action = actions.Named(step.Action);
        return action.WhyNotOn(plan.Target) is { } why
            ? step with { Does = [$"not exercised in a drill: {why}"], NotExercised = why, NeedsApproval = false }
            : step with { Does = action.Describe(plan.Target, plan.Basis, step.Parameters), NeedsApproval = false };
    }

    private async Task<ScratchPlace> PlaceAsync(RestorePointRow point, CancellationToken cancellationToken)
    {
        var (_, repository) = await access.OpenAsync(point, null, cancellationToken);
        await using (repository)
        {
            var facts = await ClusterFacts.ReadAsync(repository, await repository.ReadManifestAsync(point.PointId, cancellationToken), cancellationToken);
            var server = ClusterProof.ScratchFor(options, facts, new Dictionary<string, string>());
            return new ScratchPlace(options.ScratchRoot, facts.Superuser, facts.ServerMajor, new SortedDictionary<string, string>(server.Settings.ToDictionary(), StringComparer.Ordinal));
        }
    }
}

/// <summary>A drill that can be asked for.</summary>
/// <param name="Plan">What it will do.</param>
/// <param name="ConfigurationHash">Of how the living source is declared to be recovered.</param>
public sealed record DrillPlan(RecoveryPlan Plan, string ConfigurationHash);
