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
    PlanMaker maker, RecoveryActions actions, ProtectedEstate estate, RestorePointCatalog points, RestorePointAccess access, ValidationOptions options)
{
    /// <summary>Stands in a plan's texts for the folder that is made, under a new name, by each attempt.</summary>
    private const string Folder = "drill-RUN";

    /// <summary>The plan of a drill; nothing is changed.</summary>
    /// <exception cref="EngineException">As <see cref="PlanMaker.MakeAsync"/>: where a recovery could not be planned, no drill can.</exception>
    public async Task<DrillPlan> MakeAsync(PlanVersion version, PlanTemplate template, string source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(template);
        if (WhyNot(template) is { } why)
        {
            throw new EngineException("drill-not-possible", ErrorKind.Unsupported, $"plan {template.Name} cannot be drilled: {why}",
                "do not drill it (drillEveryDays 0); validations restore its restore points in scratch");
        }

        var living = await maker.MakeAsync(version, template, new PlanRequest(source, template.Disasters[0], IsSketch: true), cancellationToken);
        if (living.Target.InPlace is not null)
        {
            return await InScratchAsync(living, source, cancellationToken);
        }

        var place = await PlaceAsync(living, cancellationToken);
        var asked = living.Target.Checks.Where(check => check.AsksWhereItIsTold).ToList();
        var target = new RecoveryTarget(
            Path.Combine(options.ScratchRoot, Folder, "data"), Path.Combine(options.ScratchRoot, Folder, "run"), PostgresPort, living.Target.Database, living.Target.Username,
            null, new ServiceSettings(ServiceDriver.PgCtl), asked) { Scratch = place };
        return new DrillPlan(In(living, target, asked), FingerprintOf(living.Target));
    }

    private RecoveryPlan In(RecoveryPlan living, RecoveryTarget target, IReadOnlyList<OperatorCheck> asked) => living with
    {
        IsDrill = true,
        Target = target,
        // Nothing is left to ask about: what failed is undone, as a recovery would, and then all of it is removed.
        OnFailure = FailurePolicy.RollBackAll,
        Steps = [.. living.Steps.Select(step => Practised(step, target, living.Basis))],
        Notes =
        [
            .. living.Notes,
            .. living.Target.Checks.Except(asked).Select(check => $"check '{check.Name}' is not asked in a drill: it would ask the living service ({OperatorChecks.Text(check)})"),
        ],
    };

    /// <summary>What a driver would restore in place is restored whole, into a place where nothing is: longer than a restore of what is lost.</summary>
    private async Task<DrillPlan> InScratchAsync(RecoveryPlan living, string source, CancellationToken cancellationToken)
    {
        DrillSpace.Require(options, (await points.ResolveAsync(living.Basis.RestorePoint, cancellationToken)).Bytes);
        var place = estate.SourceNamed(source).Kind switch
        {
            SourceKind.Redis => "a scratch Redis",
            SourceKind.VCluster => "an empty scratch cluster",
            _ => "a scratch folder",
        };
        return new DrillPlan(
            In(living, new RecoveryTarget("", "", 0, "", "", null, null, []) { Proof = new ScratchRestore(options.ScratchRoot, place) }, []), FingerprintOf(living.Target));
    }

    /// <summary>Why no drill can carry a plan out; null where one can.</summary>
    public static string? WhyNot(PlanTemplate template) => (template ?? throw new ArgumentNullException(nameof(template))).Covers == PlanCover.Source
        ? null
        : "it is for several sources; each of them is drilled by the plans for it alone";

    /// <summary>The same of all that a plan recovers.</summary>
    public static string FingerprintOf(RecoveryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return plan.Several is not { } scope ? FingerprintOf(plan.Target)
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', scope.Parts.Select(part => $"{part.Source} {FingerprintOf(part.Target)}").Append(JsonSerializer.Serialize(plan.Target, JsonSerializerOptions.Web))))));
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

    /// <summary>Whatever came of it, nothing would be shown.</summary>
    private static void RequireRestore(RecoveryPlan plan)
    {
        if (!plan.Steps.Any(step => step is { Action: RestoreFromBackup.ActionName or RestoreInPlace.ActionName, NotExercised: null }))
        {
            throw new EngineException("drill-shows-nothing", ErrorKind.Unsupported, $"plan {plan.Template} restores nothing, so a drill of it shows nothing",
                $"give it a step of {RestoreFromBackup.ActionName}, or do not drill it (drillEveryDays 0)");
        }
    }

    /// <summary>The plan in the folder of one attempt: where it works and whom it asks is decided here, whatever the plan says.</summary>
    internal static RecoveryPlan In(RecoveryPlan plan, ScratchFolder folder) => plan.Target.Proof is not null ? plan
        : plan with { Target = plan.Target with { DataDirectory = folder.DataFolder, Host = folder.FileOf("run"), Port = PostgresPort } };

    private const int PostgresPort = 5432;

    private IEnumerable<string> Against(RecoveryPlan plan)
    {
        if (!plan.IsDrill || plan.Incident is not null)
        {
            yield return "it is no drill's plan";
        }

        if ((plan.Target.Scratch?.Root ?? plan.Target.Proof?.Root) != options.ScratchRoot)
        {
            yield return $"its place is not below {options.ScratchRoot}";
        }

        if (plan.Target is not { PasswordFile: null, SwitchTraffic: null, SwitchBack: null, SwitchService: null, InPlace: null, Redis: null, Application: null }
            || plan.Target.Service is not (null or { Driver: ServiceDriver.PgCtl, Unit: null, Start: null, Stop: null, Status: null, Workload: null }) || (plan.Target.Service is null) != (plan.Target.Proof is not null))
        {
            yield return "its target names a service, a password or a traffic switch";
        }

        foreach (var check in plan.Target.Checks.Where(check => !check.AsksWhereItIsTold))
        {
            yield return $"check '{check.Name}' asks the living service";
        }

        foreach (var step in plan.Steps.Where(step => step.NotExercised is null && actions.Named(step.Action).WhyNotOn(plan.Target) is not null))
        {
            yield return $"step {step.Name} acts on what lives";
        }
    }

    private PlannedStep Practised(PlannedStep step, RecoveryTarget target, RecoveryBasis basis)
    {
        var action = actions.Named(step.Action);
        return action.WhyNotOn(target) is { } why
            ? step with { Does = [$"not exercised in a drill: {why}"], NotExercised = why, NeedsApproval = false }
            : step with { Does = action.Describe(target, basis, step.Parameters), NeedsApproval = false };
    }

    private async Task<ScratchPlace> PlaceAsync(RecoveryPlan plan, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(plan.Basis.RestorePoint, cancellationToken);
        DrillSpace.Require(options, point.Bytes);
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

/// <summary>Whether there is room for a drill.</summary>
public static class DrillSpace
{
    /// <summary>A cluster, the WAL that follows it, and what its server writes while it is looked at.</summary>
    private const double Factor = 1.5;

    private const long Least = 256L << 20;

    /// <exception cref="EngineException"><c>drill-space</c>: less is free than the cluster needs.</exception>
    public static void Require(ValidationOptions options, long clusterBytes)
    {
        ArgumentNullException.ThrowIfNull(options);
        var needed = (long)(clusterBytes * Factor) + Least;
        var folder = new DirectoryInfo(options.ScratchRoot);
        while (folder is { Exists: false, Parent: { } parent })
        {
            folder = parent;
        }

        var free = new DriveInfo(folder.FullName).AvailableFreeSpace;
        if (free < needed)
        {
            throw new EngineException("drill-space", ErrorKind.OutOfSpace, $"a drill needs about {needed:N0} bytes in {options.ScratchRoot}, and {free:N0} are free",
                "free space there; nothing was begun");
        }
    }
}
