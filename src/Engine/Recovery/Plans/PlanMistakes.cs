using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What is wrong with a plan's template, each a sentence.</summary>
internal static partial class PlanMistakes
{
    private const int LongestDay = 24 * 60;

    private const int MostParallel = 16;

    public static IEnumerable<string> Of(PlanTemplate plan, IReadOnlyCollection<string> actions)
    {
        if ((plan.Steps ?? []).Any(step => step is null))
        {
            yield return "one of its steps is empty";
            yield break;
        }

        if (!Name().IsMatch(plan.Name ?? ""))
        {
            yield return $"its name '{plan.Name}' is not lower-case letters, digits and dashes";
        }

        if (string.IsNullOrWhiteSpace(plan.Title))
        {
            yield return "its title is missing";
        }

        if (plan.Covers == PlanCover.Set && plan.Kind != PlanTemplate.WorkspaceKind)
        {
            yield return $"kind '{plan.Kind}' is not {PlanTemplate.WorkspaceKind}, which a plan for a recovery set has";
        }

        if (plan.Covers != PlanCover.Set && !Enum.GetNames<SourceKind>().Contains(plan.Kind, StringComparer.OrdinalIgnoreCase))
        {
            yield return $"kind '{plan.Kind}' is none of {string.Join(", ", Enum.GetNames<SourceKind>().Select(kind => kind.ToLowerInvariant()))}";
        }

        if (plan.Parallel is < 1 or > MostParallel)
        {
            yield return $"parallel is {plan.Parallel}; it is from 1 to {MostParallel}, or left out";
        }

        if (plan.Covers == PlanCover.Source && (plan.Parallel is not null || (plan.Steps ?? []).Any(step => step.Together)))
        {
            yield return "parallel and together are for plans that cover a set or several sources";
        }

        if (plan.Steps is [{ Together: true }, ..])
        {
            yield return "its first step has none before it that it could be together with";
        }

        if (plan.MaximumPointAgeHours is <= 0)
        {
            yield return "maximumPointAgeHours must be above 0, or left out";
        }

        if (plan.DrillEveryDays is < 0 or > 3650)
        {
            yield return $"drillEveryDays is {plan.DrillEveryDays}; it is from 0 (never by itself) to 3650, or left out";
        }

        foreach (var mistake in OfGate(plan.Gate).Concat(OfSteps(plan.Steps ?? [], actions)))
        {
            yield return mistake;
        }

        if (plan.Disasters is not { Count: > 0 })
        {
            yield return "it answers no disaster; name at least one in disasters";
        }

        foreach (var unknown in (plan.Disasters ?? []).Where(disaster => DisasterKinds.Parse(disaster) is null))
        {
            yield return $"'{unknown}' in disasters is none of {string.Join(", ", Enum.GetValues<DisasterKind>().Select(kind => kind.ToName()))}";
        }
    }

    /// <summary>Steps that are done side by side on the same source would undo each other: what each acts on is asked of its action.</summary>
    public static IEnumerable<string> OfStages(PlanTemplate plan, RecoveryActions actions)
    {
        var stage = new List<StepTemplate>();
        foreach (var step in plan.Steps)
        {
            if (!step.Together)
            {
                stage.Clear();
            }

            if (stage.FirstOrDefault(other => s_targets.Any(target => actions.Named(other.Action).ActsOn(target) && actions.Named(step.Action).ActsOn(target))) is { } same)
            {
                yield return $"steps '{same.Name}' and '{step.Name}' would be done side by side on one source";
            }

            stage.Add(step);
        }
    }

    /// <summary>Of a plan that has such steps all the same.</summary>
    public static EngineException SideBySide(string plan, IEnumerable<string> actions, string part) => new(
        "plan-invalid", ErrorKind.Input, $"plan {plan} does {string.Join(" and ", actions)} side by side on {part}", "save a version that does them one after the other, without together");

    /// <summary>What there is to act on: a database server, a volume or cluster without and with a service of its own, and an application.</summary>
    private static readonly RecoveryTarget[] s_targets = TargetsOfEachSort();

    private static RecoveryTarget[] TargetsOfEachSort()
    {
        var service = new ServiceSettings(ServiceDriver.PgCtl);
        var nothing = RecoveryTarget.None;
        var restored = new PlannedInPlace("", new RestorePlan
        {
            FormatVersion = RestorePlan.CurrentVersion,
            RestorePointId = "",
            ManifestHash = "",
            Source = "",
            Kind = "",
            Target = "",
            Artifacts = [],
            Notes = [],
        });
        return
        [
            nothing with { Service = service }, nothing with { InPlace = restored }, nothing with { InPlace = restored, Service = service },
            nothing with { Application = new HeldApplication("", [], [], 0) },
        ];
    }

    private static IEnumerable<string> OfGate(PlanGate? gate)
    {
        if (gate is null || string.IsNullOrWhiteSpace(gate.Risk))
        {
            yield return "its gate is missing, or says no risk";
            yield break;
        }

        if (gate.Approvals is < 1 or > 5)
        {
            yield return $"the gate's approvals are {gate.Approvals}; from 1 to 5 are possible";
        }

        if (gate.ApproveWithinMinutes is < 1 or > LongestDay || gate.ExecuteWithinMinutes is < 1 or > LongestDay)
        {
            yield return $"the gate's times are from 1 to {LongestDay} minutes";
        }
    }

    private static IEnumerable<string> OfSteps(IReadOnlyList<StepTemplate> steps, IReadOnlyCollection<string> actions)
    {
        if (steps.Count == 0)
        {
            yield return "it has no steps";
        }

        foreach (var twice in steps.GroupBy(step => step.Name).Where(group => group.Count() > 1))
        {
            yield return $"step '{twice.Key}' is there {twice.Count()} times";
        }

        foreach (var step in steps)
        {
            if (!Name().IsMatch(step.Name ?? ""))
            {
                yield return $"step name '{step.Name}' is not lower-case letters, digits and dashes";
            }

            if (!actions.Contains(step.Action))
            {
                yield return $"step '{step.Name}': there is no action '{step.Action}'; known are {string.Join(", ", actions.Order(StringComparer.Ordinal))}";
            }

            if (step.EstimateSeconds < 1 || step.TimeoutSeconds < 1 || step.Retries is < 0 or > 10)
            {
                yield return $"step '{step.Name}': estimate and time-out are at least 1 second, retries from 0 to 10";
            }
        }
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}$")]
    private static partial Regex Name();
}
