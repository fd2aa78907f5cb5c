using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What becomes of what was done when a step fails for good.</summary>
public enum FailurePolicy
{
    /// <summary>The failed step is rolled back, then the earlier ones in reverse: the system is as it was.</summary>
    RollBackAll,

    /// <summary>Only the failed step is rolled back.</summary>
    RollBackStep,

    /// <summary>Everything stays as it is until a person decides.</summary>
    Ask,
}

/// <summary>Who must approve before a plan, or a step of it, runs.</summary>
/// <param name="Risk">How much harm it can do, in a word: shown to the approver.</param>
/// <param name="Approvals">How many different people; none of them may be the requester.</param>
/// <param name="ApproveWithinMinutes">After that the gate expires and the run goes on waiting.</param>
/// <param name="ExecuteWithinMinutes">After the last approval: an old yes is no yes.</param>
public sealed record PlanGate(string Risk, int Approvals = 1, int ApproveWithinMinutes = 60, int ExecuteWithinMinutes = 30)
{
    /// <summary>The gate as it holds in an estate, whose configuration may ask for more people than the plan.</summary>
    /// <param name="estate">What is declared.</param>
    /// <param name="restores">Whether the plan writes over what lives: then it is as destructive as any, whatever word its author found.</param>
    public PlanGate In(ProtectedEstate estate, bool restores)
    {
        ArgumentNullException.ThrowIfNull(estate);
        var least = Math.Max(estate.Approvals.GetValueOrDefault(Risk), restores ? estate.Approvals.GetValueOrDefault(ProtectedEstate.RestoreRisk) : 0);
        return this with { Approvals = Math.Max(Approvals, least) };
    }
}

/// <summary>A step as a plan's author wrote it.</summary>
/// <param name="Name">Unique in the plan: lower-case letters, digits and dashes.</param>
/// <param name="Title">In words, for people.</param>
/// <param name="Action">The name of one of the engine's actions.</param>
/// <param name="EstimateSeconds">The author's guess, until drills have measured better.</param>
/// <param name="TimeoutSeconds">After that the step has failed.</param>
/// <param name="Retries">How often it is tried again before it counts as failed.</param>
/// <param name="NeedsApproval">True where a person must approve just before this step too.</param>
/// <param name="Parameters">What the action is told; its documentation names them.</param>
public sealed record StepTemplate(
    string Name, string Title, string Action, int EstimateSeconds, int TimeoutSeconds, int Retries = 0, bool NeedsApproval = false,
    IReadOnlyDictionary<string, string>? Parameters = null)
{
    /// <summary>In a plan for several sources: true where it is done side by side with the step before it, and not after it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Together { get; init; }
}

/// <summary>What one recovery by a plan is about.</summary>
public enum PlanCover
{
    /// <summary>One source.</summary>
    Source,

    /// <summary>The sources of a workspace, to the points of one recovery set.</summary>
    Set,

    /// <summary>Several sources of one kind, each to its own newest point.</summary>
    Sources,
}

/// <summary>
/// A recovery plan as data: which disaster of which kind of source it answers, and its steps. Made concrete for one source by
/// <see cref="PlanMaker"/>.
/// </summary>
/// <param name="Name">Unique: lower-case letters, digits and dashes.</param>
/// <param name="Title">In words.</param>
/// <param name="Disasters">What it answers, in the words of the classification.</param>
/// <param name="Kind">The kind of source, lower case.</param>
/// <param name="MaximumPointAgeHours">Older restore points do not do; null: any age does.</param>
/// <param name="Gate">Before its first step.</param>
/// <param name="OnFailure">When a step fails for good.</param>
/// <param name="Steps">In order.</param>
/// <param name="DrillEveryDays">How often it is drilled on each source; 0 for never by itself; null: as the source's class says.</param>
public sealed record PlanTemplate(
    string Name, string Title, IReadOnlyList<string> Disasters, string Kind, double? MaximumPointAgeHours, PlanGate Gate, FailurePolicy OnFailure,
    IReadOnlyList<StepTemplate> Steps, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? DrillEveryDays = null)
{
    /// <summary>The kind of plans for a recovery set, whose parts are of several kinds.</summary>
    public const string WorkspaceKind = "workspace";

    /// <summary>How many steps are done side by side where the plan does not say.</summary>
    public const int UsualParallel = 2;

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = false,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>What one recovery by it is about.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public PlanCover Covers { get; init; }

    /// <summary>In a plan for several sources: how many steps are done side by side at most.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Parallel { get; init; }

    /// <summary>Whether it can be one of several sources that it recovers together.</summary>
    public bool MayHold(Source source) => Covers == PlanCover.Sources && IsOfKind(source);

    /// <summary>Whether it recovers this source by itself. One that only leads clients is for sources that say how.</summary>
    public bool IsFor(Source source) => Covers == PlanCover.Source && IsOfKind(source)
        && (Restores || !Steps.Any(step => step.Action == SwitchTraffic.ActionName) || source?.Recovery is { SwitchTraffic: not null } or { SwitchService: not null });

    /// <summary>Whether anything is put back by it; else it only asks, or leads clients.</summary>
    [JsonIgnore]
    public bool Restores => Covers != PlanCover.Source || Steps.Any(step => RestoringActions.Contains(step.Action));

    /// <summary>Its gate as it holds in an estate.</summary>
    public PlanGate GateIn(ProtectedEstate estate) => Gate.In(estate, Restores || Steps.Any(step => step.Action == IsolateCorruptedData.ActionName));

    internal bool IsOfKind(Source source) => string.Equals(Kind, source?.Kind.ToString(), StringComparison.OrdinalIgnoreCase);

    /// <summary>The declared sources that it is for.</summary>
    public IEnumerable<Source> SourcesIn(ProtectedEstate estate) => (estate ?? throw new ArgumentNullException(nameof(estate))).Sources.Where(IsFor);

    /// <summary>Reads and checks a template.</summary>
    /// <param name="text">JSON.</param>
    /// <param name="actions">The names of the engine's actions.</param>
    /// <exception cref="EngineException"><c>plan-invalid</c>, with all mistakes at once.</exception>
    public static PlanTemplate Read(string text, IReadOnlyCollection<string> actions)
    {
        PlanTemplate template;
        try
        {
            template = JsonSerializer.Deserialize<PlanTemplate>(text, s_form) ?? throw Invalid(["it is empty"]);
        }
        catch (JsonException fault)
        {
            throw new EngineException("plan-invalid", ErrorKind.Input, $"the plan cannot be read: {fault.Message}", "correct it; nothing was saved", fault);
        }

        var mistakes = PlanMistakes.Of(template, actions).ToList();
        return mistakes.Count == 0 ? template : throw Invalid(mistakes);
    }

    /// <summary>The one text form of a template: equal templates give equal texts.</summary>
    public string ToText() => JsonSerializer.Serialize(this, s_form) + "\n";

    /// <summary>Of a template with mistakes.</summary>
    internal static EngineException Invalid(IReadOnlyList<string> mistakes) => new(
        "plan-invalid", ErrorKind.Input, $"the plan has {Counted.Of(mistakes.Count, "mistake")}: {string.Join("; ", mistakes)}", "correct them; nothing was saved");
}
