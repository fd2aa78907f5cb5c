using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What is wrong with a plan's template, each a sentence.</summary>
internal static partial class PlanMistakes
{
    private const int LongestDay = 24 * 60;

    private const int MostParallel = 16;

    public static IEnumerable<string> Of(PlanTemplate plan, IReadOnlyCollection<string> actions)
    {
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
