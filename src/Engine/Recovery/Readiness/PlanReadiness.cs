using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Readiness;

/// <summary>
/// Looks, for each plan of each source, whether it could be carried out now and whether that was shown: a plan is made as for a
/// recovery, and what it would need is looked for.
/// </summary>
public sealed class PlanReadiness(
    PlanLibrary library, PlanMaker maker, SeveralPlans several, SeveralSubjects subjects, ProtectedEstate estate, ReadinessCatalog readiness, TimeProvider time)
{
    /// <summary>Looks at all of them, and writes down how they stand.</summary>
    public Task EvaluateAsync(CancellationToken cancellationToken) => EvaluateAsync(only: null, cancellationToken);

    /// <summary>The same for some sources.</summary>
    /// <param name="only">Their names; null for all.</param>
    public async Task EvaluateAsync(IReadOnlySet<string>? only, CancellationToken cancellationToken)
    {
        var kept = new List<(string, string)>();
        foreach (var version in await library.ListAsync(cancellationToken))
        {
            var (template, fault) = library.TryRead(version);
            if (template is null)
            {
                // For whom one is that cannot be read is known from when it could: a source, a workspace, or several sources.
                foreach (var subject in await KnownOfAsync(version.Plan, cancellationToken))
                {
                    await OrNotVerifiedAsync(version, subject, () => Task.FromException(fault!), cancellationToken);
                    kept.Add((version.Plan, subject));
                }

                continue;
            }

            foreach (var source in template.SourcesIn(estate).Where(source => only?.Contains(source.Name) ?? true))
            {
                kept.Add((version.Plan, source.Name));
                await OrNotVerifiedAsync(version, source.Name, () => EvaluateAsync(version, template, source, cancellationToken), cancellationToken);
            }

            foreach (var subject in await subjects.OfAsync(template, cancellationToken))
            {
                kept.Add((version.Plan, subject.Name));
                // What concerns one of the sources concerns the recovery of all of them.
                if (only is null || subject.Sources.Any(source => only.Contains(source.Name)))
                {
                    await OrNotVerifiedAsync(version, subject.Name, () => EvaluateAsync(version, template, subject, cancellationToken), cancellationToken);
                }
            }
        }

        if (only is null)
        {
            await readiness.ForgetOthersAsync(kept, cancellationToken);
        }
    }

    private async Task EvaluateAsync(PlanVersion version, PlanTemplate template, SeveralSubject subject, CancellationToken cancellationToken)
    {
        RecoveryPlan? plan = null;
        string? impossible = null;
        try
        {
            plan = (await several.MakeAsync(version, template, subject.Request, cancellationToken)).Require();
        }
        catch (EngineException fault)
        {
            impossible = fault.ToText();
        }

        await RecordAsync(version, template, subject.Name, plan, impossible, estate.StrictestOf(subject.Sources), cancellationToken);
    }

    /// <summary>What a plan was known to be for, as far as all that it names is still declared.</summary>
    private async Task<IReadOnlyList<string>> KnownOfAsync(string plan, CancellationToken cancellationToken)
    {
        var (sources, workspaces) = (estate.Sources.Select(source => source.Name).ToHashSet(), estate.Sources.Select(source => source.Workspace).ToHashSet());
        return [.. (await readiness.ListAsync(cancellationToken)).Where(row => row.Plan == plan).Select(row => row.Source)
            .Where(subject => SeveralPlans.WorkspaceOf(subject) is { } workspace ? workspaces.Contains(workspace) : SeveralPlans.SourcesOf(subject).All(sources.Contains))];
    }

    /// <summary>One that cannot be judged is not verified, and holds up no other.</summary>
    private async Task OrNotVerifiedAsync(PlanVersion version, string subject, Func<Task> judge, CancellationToken cancellationToken)
    {
        try
        {
            await judge();
        }
        catch (EngineException fault)
        {
            var now = time.GetUtcNow();
            await readiness.RecordAsync(
                new ReadinessRow(version.Plan, subject, version.Version, ReadinessState.NotVerified, [new ReadinessReason(ReadinessCause.PlanImpossible, fault.ToText())], null, now, now), cancellationToken);
        }
    }

    /// <summary>A proof holds as long as the class says; where drills are rarer by configuration, until the next one is due.</summary>
    public static TimeSpan LifetimeOf(PlanTemplate template, Strategies.ProtectionClass protection)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(protection);
        var drills = TimeSpan.FromDays(template.DrillEveryDays ?? protection.DrillDays);
        return drills > protection.ProofLifetime ? drills : protection.ProofLifetime;
    }

    private async Task EvaluateAsync(PlanVersion version, PlanTemplate template, Source source, CancellationToken cancellationToken)
    {
        RecoveryPlan? plan = null;
        string? impossible = null;
        try
        {
            plan = await maker.MakeAsync(version, template, new PlanRequest(source.Name, template.Disasters[0], IsSketch: true), cancellationToken);
        }
        catch (EngineException fault)
        {
            impossible = fault.ToText();
        }

        await RecordAsync(version, template, source.Name, plan, impossible, estate.ClassOf(source), cancellationToken);
    }

    private async Task RecordAsync(
        PlanVersion version, PlanTemplate template, string subject, RecoveryPlan? plan, string? impossible, Strategies.ProtectionClass protection, CancellationToken cancellationToken)
    {
        var last = await readiness.LastAsync(version.Plan, subject, cancellationToken);
        var facts = new ReadinessFacts(
            version.Version, plan is null ? null : DrillPlans.FingerprintOf(plan), impossible,
            [.. await ObstaclesAsync(template, plan, cancellationToken)], last, LifetimeOf(template, protection))
        {
            NotDrillable = template.Restores ? null : "it restores nothing",
        };
        var now = time.GetUtcNow();
        var (state, reasons) = ReadinessJudgement.Judge(facts, now);
        await readiness.RecordAsync(new ReadinessRow(version.Plan, subject, version.Version, state, reasons, last?.Run, now, now), cancellationToken);
    }

    private async Task<IEnumerable<ReadinessReason>> ObstaclesAsync(PlanTemplate template, RecoveryPlan? plan, CancellationToken cancellationToken)
    {
        var obstacles = new List<ReadinessReason>();
        var needed = template.GateIn(estate).Approvals;
        if (!await readiness.HasApproversAsync(needed, cancellationToken))
        {
            obstacles.Add(new ReadinessReason(ReadinessCause.ApproversMissing, $"{Counted.Of(needed, "approval")}"));
        }

        if (plan is not null)
        {
            var targets = plan.Several is { } scope ? [plan.Target, .. scope.Parts.Select(part => part.Target)] : new[] { plan.Target };
            obstacles.AddRange(targets.SelectMany(target => CommandsOf(target, plan)).Where(command => ChildProcess.TryResolve(command.Program) is null)
                .Select(command => new ReadinessReason(ReadinessCause.CommandMissing, $"{command.For}: {command.Program}")));
            obstacles.AddRange((await maker.LookAsync(plan, cancellationToken)).Obstacles.Select(obstacle => new ReadinessReason(ReadinessCause.StepHindered, obstacle)));
        }

        return obstacles;
    }

    /// <summary>The programs of the operators' own that the plan's steps would call.</summary>
    private static IEnumerable<(string For, string Program)> CommandsOf(RecoveryTarget target, RecoveryPlan plan)
    {
        if (target.Application is { Quiesce: [var hold, ..], Resume: [var goOn, ..] } && plan.Steps.Any(step => step.Action is HoldApplication.ActionName or ReleaseApplication.ActionName))
        {
            yield return ("Workspaces:Quiesce", hold);
            yield return ("Workspaces:Resume", goOn);
        }

        var service = target.Service;
        foreach (var (name, words) in new[] { ("Service:Start", service?.Start), ("Service:Stop", service?.Stop), ("Service:Status", service?.Status) })
        {
            if (words is [var program, ..])
            {
                yield return (name, program);
            }
        }

        if (service is { Driver: ServiceDriver.Systemd })
        {
            yield return ("Service:Unit", "systemctl");
        }

        if (plan.Steps.Any(step => step.Action == SwitchTraffic.ActionName) && target is { SwitchTraffic: [var there, ..], SwitchBack: [var back, ..] })
        {
            yield return ("SwitchTraffic", there);
            yield return ("SwitchBack", back);
        }

        foreach (var check in target.Checks)
        {
            if (check.Command is [var program, ..])
            {
                yield return ($"check '{check.Name}'", program);
            }
        }
    }
}
