using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What a plan for several sources is made for.</summary>
/// <param name="Disaster">What happened, as the classification names it.</param>
/// <param name="LeaveOut">Sources that stay as they are.</param>
public sealed record SeveralRequest(string Disaster, IReadOnlyCollection<string> LeaveOut)
{
    /// <summary>The recovery set whose points the parts go to; for a plan that covers a set.</summary>
    public long? Set { get; init; }

    /// <summary>The sources; for a plan that covers several of one kind.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>The incident that it answers, or null.</summary>
    public long? Incident { get; init; }

    /// <summary>When the first evidence of damage was seen.</summary>
    public DateTimeOffset? FirstEvidence { get; init; }

    /// <summary>As <see cref="PlanRequest.IsSketch"/>.</summary>
    public bool IsSketch { get; init; }
}

/// <summary>A plan for several sources, or why there is none.</summary>
/// <param name="Plan">Null while a source that was not left out cannot be a part of it.</param>
/// <param name="Faults">Each of those sources, with the reason and what to do.</param>
public sealed record SeveralDraft(RecoveryPlan? Plan, IReadOnlyList<PartFault> Faults)
{
    /// <exception cref="EngineException"><c>recovery-parts-unfit</c>, naming every part that cannot be recovered.</exception>
    public RecoveryPlan Require() => Plan ?? throw new EngineException(
        "recovery-parts-unfit", ErrorKind.Conflict, string.Join("; ", Faults.Select(fault => $"{fault.Source}: {fault.Reason}")),
        $"{string.Join("; ", Faults.Select(fault => $"{fault.Source}: {fault.Hint}"))}; or leave them out: the plan then says so");
}

/// <summary>
/// Makes one plan for several sources: for the parts of a recovery set, to the points of that set, or for several sources of a kind,
/// each to its newest point. Steps of the template become one step for each part that they are for.
/// </summary>
public sealed class SeveralPlans(ProtectedEstate estate, PlanMaker maker, SetCatalog sets, RecoveryActions actions, StepDurations durations)
{
    /// <summary>The plan, or what stands against it; nothing is changed.</summary>
    /// <exception cref="EngineException"><c>set-unknown</c>; <c>plan-kind</c>; <c>recovery-parts-none</c>: every part was left out; <c>recovery-parts-unknown</c>: one is left out that is no part.</exception>
    public async Task<SeveralDraft> MakeAsync(PlanVersion version, PlanTemplate template, SeveralRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(version);
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(request);
        var wanted = await WantedAsync(template, request, cancellationToken);
        if (request.LeaveOut.Except(wanted.Parts.Select(part => part.Source)).ToList() is { Count: > 0 } strange)
        {
            throw new EngineException("recovery-parts-unknown", ErrorKind.Input, $"{string.Join(", ", strange)} cannot be left out, since it is no part", $"the parts are {string.Join(", ", wanted.Parts.Select(part => part.Source))}");
        }

        var (faults, leftOut, parts, notes) = (new List<PartFault>(), new List<PartFault>(), new List<RecoveryPart>(), new List<string>());
        foreach (var one in wanted.Parts)
        {
            try
            {
                if (request.LeaveOut.Contains(one.Source))
                {
                    leftOut.Add(new PartFault(one.Source, one.Fault?.Message ?? "the person who asked left it out", one.Fault?.Hint ?? ""));
                    continue;
                }

                if (BringsBack(wanted, one, request) is { } whole)
                {
                    leftOut.Add(new PartFault(one.Source, $"it comes back with {whole.Name}, which holds all databases of the server {whole.Postgres!.Host}:{whole.Postgres.Port}, to the moment of that part's point", "") { With = whole.Name });
                    continue;
                }

                var (part, said) = await PartAsync(template, one, parts, request, cancellationToken);
                parts.Add(part);
                notes.AddRange(said.Select(note => $"{one.Source}: {note}"));
            }
            catch (EngineException fault) when (fault.Kind != ErrorKind.Input)
            {
                faults.Add(new PartFault(one.Source, fault.Message, fault.Hint ?? ""));
            }
        }

        if (faults.Count > 0)
        {
            return new SeveralDraft(null, faults);
        }

        if (parts.Count == 0)
        {
            throw new EngineException("recovery-parts-none", ErrorKind.Input, "every part was left out, so nothing would be recovered", "keep at least one");
        }

        var plan = await PlanAsync(version, template, request, wanted, parts, leftOut, notes, cancellationToken);
        return new SeveralDraft(request.IsSketch ? plan : await maker.LookedAtAsync(plan, cancellationToken), []);
    }

    private async Task<Wanted> WantedAsync(PlanTemplate template, SeveralRequest request, CancellationToken cancellationToken)
    {
        if (template.Covers == PlanCover.Set && request.Set is { } number)
        {
            var set = await sets.FindAsync(number, cancellationToken)
                ?? throw new EngineException("set-unknown", ErrorKind.NotFound, $"there is no recovery set {number}", "look at the Recovery sets page");
            return new Wanted(SubjectOf(set.Workspace), set.Workspace, set, [.. set.Parts.Select(part => new WantedPart(part.Source, part.RestorePoint, FaultOf(part)))]);
        }

        if (template.Covers == PlanCover.Sources && request.Sources.Count > 0)
        {
            var sources = request.Sources.Select(estate.SourceNamed).DistinctBy(source => source.Name).ToList();
            return sources.FirstOrDefault(source => !template.MayHold(source)) is { } other
                ? throw new EngineException("plan-kind", ErrorKind.Input, $"plan {template.Name} is for {template.Kind}, {other.Name} is of kind {other.Kind.ToString().ToLowerInvariant()}", "choose sources of its kind")
                : new Wanted(SubjectOf(sources.Select(source => source.Name)), string.Join(", ", sources.Select(source => source.Workspace).Distinct()), null,
                    [.. sources.Select(source => new WantedPart(source.Name, null, null))]);
        }

        throw new EngineException("plan-kind", ErrorKind.Input,
            template.Covers == PlanCover.Source ? $"plan {template.Name} is for one source" : $"plan {template.Name} needs {(template.Covers == PlanCover.Set ? "a recovery set" : "sources")}",
            "choose another plan, or say what it is for");
    }

    /// <summary>What the recovery of a workspace is called: with the space that no source's name has.</summary>
    public static string SubjectOf(string workspace) => $"{WorkspaceWord}{workspace}";

    /// <summary>The workspace that a recovery's name names; null where it names sources.</summary>
    public static string? WorkspaceOf(string subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        return subject.StartsWith(WorkspaceWord, StringComparison.Ordinal) ? subject[WorkspaceWord.Length..] : null;
    }

    /// <summary>The sources that the name of a recovery of several names; a person may leave the blanks out.</summary>
    public static IReadOnlyList<string> SourcesOf(string subject) =>
        (subject ?? throw new ArgumentNullException(nameof(subject))).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private const string WorkspaceWord = "workspace ";

    private const string Separator = ", ";

    /// <summary>What the recovery of several sources is called.</summary>
    public static string SubjectOf(IEnumerable<string> sources) => string.Join(Separator, sources.Order(StringComparer.Ordinal));

    /// <summary>The part that a database of its server comes back with, where it cannot be put back by itself; null where there is none.</summary>
    private Source? BringsBack(Wanted wanted, WantedPart one, SeveralRequest request) =>
        estate.Sources.FirstOrDefault(source => source.Name == one.Source)?.Postgres is { } database && !PlanMaker.IsPutBack(database)
            ? wanted.Parts.Where(other => other.Source != one.Source && !request.LeaveOut.Contains(other.Source))
                .Select(other => estate.Sources.FirstOrDefault(source => source.Name == other.Source))
                .FirstOrDefault(other => other?.Postgres is { } server && PlanMaker.IsPutBack(server)
                    && server.Port == database.Port && string.Equals(server.Host, database.Host, StringComparison.OrdinalIgnoreCase))
            : null;

    private static EngineException? FaultOf(SetPartRow part) => part switch
    {
        { RestorePoint: null } => new EngineException("set-part-missing", ErrorKind.NotFound, $"it is not in the set: {part.Fault ?? "nothing was captured"}", "choose another set, or restore it by hand from another point"),
        { IsKept: false } => new EngineException("set-part-gone", ErrorKind.NotFound, "its restore point is gone: retention has given it up, or every copy is damaged", "choose another set, or restore it by hand from another point"),
        _ => null,
    };

    private async Task<(RecoveryPart Part, IReadOnlyList<string> Notes)> PartAsync(
        PlanTemplate template, WantedPart one, List<RecoveryPart> others, SeveralRequest request, CancellationToken cancellationToken)
    {
        if (one.Fault is not null)
        {
            throw one.Fault;
        }

        var source = estate.Sources.FirstOrDefault(source => source.Name == one.Source)
            ?? throw new EngineException("source-unknown", ErrorKind.NotFound, "it is declared no longer, so nothing says where it would go", "declare it again, or restore it by hand");
        var asked = new PlanRequest(source.Name, request.Disaster, request.Incident, request.FirstEvidence, IsSketch: request.IsSketch) { ExactPoint = one.RestorePoint };
        var (chosen, made) = await maker.ChooseAsync(source, template, asked, cancellationToken);
        if (others.FirstOrDefault(other => IsWithin(other.Target.DataDirectory, made.Target.DataDirectory) || IsWithin(made.Target.DataDirectory, other.Target.DataDirectory)) is { } same)
        {
            throw new EngineException("recovery-same-place", ErrorKind.Conflict, $"it is in the same place as {same.Source} ({same.Target.DataDirectory}), and one of them would replace the other", $"leave one of them out: what {same.Source} brings back holds both, or is within the other");
        }

        var protection = estate.ClassOf(source);
        return (new RecoveryPart(
            source.Name, source.Kind.ToString().ToLowerInvariant(), made.Basis, made.Loss, made.Target, source.Class, protection.Rto.TotalSeconds, protection.Rpo.TotalSeconds, 0),
            [.. made.Notes, .. chosen.Refused.Select(refused => $"passed over: {refused}")]);
    }

    private static bool IsWithin(string inner, string outer) =>
        inner == outer || inner.StartsWith(outer.TrimEnd('/') + '/', StringComparison.Ordinal);

    private async Task<RecoveryPlan> PlanAsync(
        PlanVersion version, PlanTemplate template, SeveralRequest request, Wanted wanted, List<RecoveryPart> parts, List<PartFault> leftOut, List<string> notes, CancellationToken cancellationToken)
    {
        var newest = parts.Max(part => part.Basis.CreatedAt);
        var measured = parts.Select(part => part with { BehindSeconds = (newest - part.Basis.CreatedAt).TotalSeconds }).ToList();
        var oldest = measured.MinBy(part => part.Loss.From)!;
        var whole = RecoveryTarget.None with { Application = ApplicationOf(wanted) };
        if (wanted.Set is not null && whole.Application is null)
        {
            notes.Insert(0, $"no command holds the application of workspace {wanted.Workspace} still (Workspaces:Quiesce): stop what writes into its parts before");
        }

        return new RecoveryPlan
        {
            Template = version.Plan,
            TemplateVersion = version.Version,
            TemplateHash = version.Hash,
            Title = template.Title,
            Disaster = request.Disaster,
            Source = wanted.Subject,
            Workspace = wanted.Workspace,
            Incident = request.Incident,
            Basis = measured.MinBy(part => part.Basis.CreatedAt)!.Basis,
            Loss = oldest.Loss with { Method = $"the part that loses most, {oldest.Source}: {oldest.Loss.Method}" },
            Target = whole,
            Gate = template.GateIn(estate),
            OnFailure = template.OnFailure,
            Steps = await StepsAsync(template, whole, measured, wanted.Subject, cancellationToken),
            Notes = [.. leftOut.Select(one => $"{one.Source} is left out{(one.With is null ? " and stays as it is" : "")}: {one.Reason}"), .. notes],
            RtoSeconds = measured.Min(part => part.RtoSeconds),
            RpoSeconds = measured.Min(part => part.RpoSeconds),
            Several = new RecoveryScope(wanted.Set?.RunId, template.Parallel ?? PlanTemplate.UsualParallel, measured, leftOut),
        };
    }

    private HeldApplication? ApplicationOf(Wanted wanted) => wanted.Set is { } set && estate.WorkspaceNamed(set.Workspace) is { Quiesce: { } quiesce, Resume: { } resume } settings
        ? new HeldApplication(settings.Name, quiesce, resume, settings.LongestHold.TotalSeconds)
        : null;

    /// <summary>One step for each part that an action is for; a step that is for none is not in the plan.</summary>
    private async Task<IReadOnlyList<PlannedStep>> StepsAsync(
        PlanTemplate template, RecoveryTarget whole, IReadOnlyList<RecoveryPart> parts, string subject, CancellationToken cancellationToken)
    {
        var known = await durations.ReadAsync([subject, .. parts.Select(part => part.Source)], cancellationToken);
        var steps = new List<PlannedStep>();
        var stage = 0;
        foreach (var step in template.Steps)
        {
            stage += step.Together ? 0 : 1;
            var action = actions.Named(step.Action);
            // Without commands that hold the application there is nothing that a step about all of them could act on.
            if (whole.Application is not null && action.ActsOn(whole))
            {
                steps.Add(PlannedStep.Of(step, action, steps.Count + 1, whole, parts[0].Basis, known[subject]) with { Stage = stage });
                continue;
            }

            foreach (var part in parts.Where(part => action.ActsOn(part.Target)))
            {
                steps.Add(PartStepOf(step, action, steps.Count + 1, part, known[part.Source]) with { Stage = stage });
            }
        }

        if (steps.Where(step => step.Part is not null).GroupBy(step => (step.Stage, step.Part)).FirstOrDefault(group => group.Count() > 1) is { } same)
        {
            // One that was saved before this was looked at.
            throw PlanMistakes.SideBySide(template.Name, same.Select(step => step.Action), same.Key.Part!);
        }

        return parts.FirstOrDefault(part => !steps.Any(step => step.Part == part.Source && RestoringActions.Contains(step.Action))) is { } forgotten
            ? throw new EngineException("plan-invalid", ErrorKind.Input, $"plan {template.Name} has no step that restores {forgotten.Source}, a {forgotten.Kind}", "save a version that has one, or leave it out")
            : steps;
    }

    private static PlannedStep PartStepOf(StepTemplate step, IRecoveryAction action, int position, RecoveryPart part, IReadOnlyDictionary<string, MeasuredDuration> measured) =>
        PlannedStep.Of(step, action, position, part.Target, part.Basis, measured) with { Name = $"{step.Name}-{part.Source}", Title = $"{step.Title}: {part.Source}", Part = part.Source };

    /// <summary>What is to be recovered: its name, its workspaces, and of a set the set itself.</summary>
    private sealed record Wanted(string Subject, string Workspace, SetRow? Set, IReadOnlyList<WantedPart> Parts);

    /// <summary>A source, the point that it is to go to (null: its newest), and what is known to stand against it.</summary>
    private sealed record WantedPart(string Source, string? RestorePoint, EngineException? Fault);
}
