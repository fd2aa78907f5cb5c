using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What a step's second execution does; decides what happens when nobody knows whether the first took effect.</summary>
public enum StepSafety
{
    /// <summary>Doing it again gives the same.</summary>
    Idempotent,

    /// <summary>The target can be asked whether it took effect.</summary>
    Probeable,

    /// <summary>Never done again by itself: a person decides.</summary>
    Unsafe,
}

/// <summary>How far a step can be undone.</summary>
public enum WayBack
{
    /// <summary>Whenever it is asked for, the state before comes back.</summary>
    Always,

    /// <summary>Until the recovered service takes its first write; afterwards those writes would be lost.</summary>
    UntilFirstWrite,

    /// <summary>It changes nothing, so that there is nothing to undo.</summary>
    ChangesNothing,

    /// <summary>Not at all.</summary>
    None,
}

/// <summary>The restore point that a plan recovers from, and the moment that it recovers to.</summary>
/// <param name="RestorePoint">Full id.</param>
/// <param name="CreatedAt">When its content was true.</param>
/// <param name="ManifestHash">SHA-256 of its stored manifest: the content that will be restored.</param>
/// <param name="Moment">Recover to the last commit before this; null for the end of the WAL, or of the backup where there is no WAL.</param>
/// <param name="ToEnd">True: replay as far as there is WAL, but not beyond the moment where there is one.</param>
/// <param name="ProvenAt">When a restore of it last passed; null where none has.</param>
public sealed record RecoveryBasis(string RestorePoint, DateTimeOffset CreatedAt, string ManifestHash, DateTimeOffset? Moment, bool ToEnd, DateTimeOffset? ProvenAt)
{
    /// <summary>The corruption that was open when this was chosen, and was heeded; null where none was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Corruption { get; init; }

    /// <summary>That corruption's first evidence as it was known then: an earlier sign may join it later.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? CorruptionSince { get; init; }

    /// <summary>Of a plan that restores nothing.</summary>
    internal static RecoveryBasis None { get; } = new("", DateTimeOffset.UnixEpoch, "", null, false, null);

    /// <summary>Recover along this timeline; null where there is only one, or the newest is meant, whichever it is by then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public uint? Timeline { get; init; }
}

/// <summary>What would be lost by the recovery.</summary>
/// <param name="From">Everything committed up to here comes back.</param>
/// <param name="Until">When the last write can have been accepted; null while it still takes writes.</param>
/// <param name="Method">How it was told.</param>
public sealed record LossWindow(DateTimeOffset From, DateTimeOffset? Until, string Method)
{
    /// <summary>Of a plan that restores nothing.</summary>
    internal static LossWindow None { get; } = new(DateTimeOffset.UnixEpoch, null, "it restores nothing, so that nothing is lost by it");
}

/// <summary>What is recovered, as it was when the plan was made. Holds no secret.</summary>
/// <param name="DataDirectory">Its data directory on this machine; of a volume its path, of a virtual cluster the directory of its store.</param>
/// <param name="Host">Where its database server answers; empty, like the three after it, where it is none.</param>
/// <param name="Port">Its port.</param>
/// <param name="Database">The protected database.</param>
/// <param name="Username">Who looks into it.</param>
/// <param name="PasswordFile">Holds that role's password; null for none.</param>
/// <param name="Service">How it is stopped and started; null where no step does that by itself.</param>
/// <param name="Checks">What its operators ask of it when it is back.</param>
/// <param name="SwitchTraffic">The command that leads clients to it; null for none.</param>
/// <param name="SwitchBack">The command that takes that back.</param>
public sealed record RecoveryTarget(
    string DataDirectory, string Host, int Port, string Database, string Username, string? PasswordFile, ServiceSettings? Service,
    IReadOnlyList<OperatorCheck> Checks, IReadOnlyList<string>? SwitchTraffic = null, IReadOnlyList<string>? SwitchBack = null)
{
    /// <summary>Of what has no place of its own, as several sources together: each of them has.</summary>
    [JsonIgnore]
    internal static RecoveryTarget None => new("", "", 0, "", "", null, null, []);

    /// <summary>In a drill: the scratch place that stands for the server. Null for a real recovery, in whose text it does not appear.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ScratchPlace? Scratch { get; init; }

    /// <summary>In a drill of what a restore driver restores: where the scratch place is made that stands for what lives. Null otherwise, likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ScratchRestore? Proof { get; init; }

    /// <summary>Of what a restore driver restores over: what it will do. Null for a PostgreSQL cluster, in whose text it does not appear.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PlannedInPlace? InPlace { get; init; }

    /// <summary>Of a Redis: how its server is asked whether it is back. Null for every other, likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RedisSettings? Redis { get; init; }

    /// <summary>The Service whose selector leads clients to it; null for none, likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceSwitch? SwitchService { get; init; }

    /// <summary>Of a workspace as a whole: how its application is held still. Null for a source, likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HeldApplication? Application { get; init; }
}

/// <summary>A restore in place by a restore driver, as a part of a recovery plan and of what is approved.</summary>
/// <param name="Place">Where, without the options of one restore: a restore target's text.</param>
/// <param name="Plan">The driver's own plan; it is executed by exactly this hash.</param>
public sealed record PlannedInPlace(string Place, RestorePlan Plan);

/// <summary>Where a drill restores what a driver would restore in place: a scratch folder, server or cluster below a folder of its own, which is gone afterwards.</summary>
/// <param name="Root">The folder of all scratch folders.</param>
/// <param name="Place">What is made there, in words.</param>
public sealed record ScratchRestore(string Root, string Place);

/// <summary>Where a drill recovers a cluster: a scratch server in a folder of its own, which is gone afterwards.</summary>
/// <param name="Root">The folder of all scratch folders.</param>
/// <param name="Superuser">The cluster's own.</param>
/// <param name="Major">Its PostgreSQL version.</param>
/// <param name="Settings">What the server must be given to start on these files.</param>
public sealed record ScratchPlace(string Root, string Superuser, int Major, IReadOnlyDictionary<string, string> Settings);

/// <summary>A step of a concrete plan.</summary>
/// <param name="Position">From 1.</param>
/// <param name="Does">Exactly what will be done, one action a line.</param>
/// <param name="EstimateSeconds">How long it should take.</param>
/// <param name="MeasuredFrom">From how many drills and recoveries that was measured; 0 where it is the author's guess.</param>
public sealed record PlannedStep(
    int Position, string Name, string Title, string Action, IReadOnlyList<string> Does, IReadOnlyDictionary<string, string> Parameters,
    double EstimateSeconds, int MeasuredFrom, int TimeoutSeconds, int Retries, StepSafety Safety, WayBack WayBack, bool NeedsApproval)
{
    /// <summary>A template's step made concrete: what its action does there, and how long it takes by what was measured, else by the author's guess.</summary>
    internal static PlannedStep Of(
        StepTemplate step, IRecoveryAction action, int position, RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, MeasuredDuration> measured)
    {
        var parameters = step.Parameters ?? new Dictionary<string, string>();
        var known = measured.GetValueOrDefault(step.Action);
        return new PlannedStep(
            position, step.Name, step.Title, step.Action, action.Describe(target, basis, parameters), parameters, known?.Seconds ?? step.EstimateSeconds, known?.Samples ?? 0,
            // What cannot be taken back is asked about once more, whatever the template says.
            step.TimeoutSeconds, step.Retries, action.SafetyOn(target), action.WayBack, step.NeedsApproval || action.WayBack == WayBack.None);
    }

    /// <summary>In a drill: why the step is not done, since it would touch what lives; null for every step that is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NotExercised { get; init; }

    /// <summary>In a recovery of several sources: the one that it is about; null for what is about all of them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Part { get; init; }

    /// <summary>Likewise: steps of one stage are done side by side, and none of the next before all of them are done. Null: one after the other.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Stage { get; init; }
}

/// <summary>
/// Exactly what a recovery will do: a template's version made concrete for one source and one restore point. What a person
/// approves is its <see cref="Hash"/>, and nothing else can run under that approval.
/// </summary>
public sealed record RecoveryPlan
{
    public const int CurrentVersion = 1;

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) } };

    public int FormatVersion { get; init; } = CurrentVersion;

    /// <summary>The template's name.</summary>
    public required string Template { get; init; }

    /// <summary>Its version.</summary>
    public required int TemplateVersion { get; init; }

    /// <summary>SHA-256 of that version's text.</summary>
    public required string TemplateHash { get; init; }

    public required string Title { get; init; }

    /// <summary>The disaster that it answers, as the classification names it.</summary>
    public required string Disaster { get; init; }

    public required string Source { get; init; }

    public required string Workspace { get; init; }

    /// <summary>The incident that it answers; null where a person asked without one.</summary>
    public long? Incident { get; init; }

    public bool IsDrill { get; init; }

    public required RecoveryBasis Basis { get; init; }

    public required LossWindow Loss { get; init; }

    public required RecoveryTarget Target { get; init; }

    public required PlanGate Gate { get; init; }

    public required FailurePolicy OnFailure { get; init; }

    public required IReadOnlyList<PlannedStep> Steps { get; init; }

    /// <summary>What a person should know before.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The class's promise, seconds.</summary>
    public required double RtoSeconds { get; init; }

    /// <summary>The source's class when the plan was made; null, and not in its text, in plans of older builds.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Class { get; init; }

    /// <summary>The class's promise then, seconds; null likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? RpoSeconds { get; init; }

    /// <summary>Of a recovery of several sources: which, and how many at once. Null for one source, and not in its text.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RecoveryScope? Several { get; init; }

    /// <summary>False of a plan that only asks or leads clients: then there is neither a restore point nor a loss.</summary>
    [JsonIgnore]
    public bool Restores => Basis.RestorePoint.Length > 0;

    /// <summary>The sources that it recovers.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Sources => Several is { } scope ? [.. scope.Parts.Select(part => part.Source)] : [Source];

    /// <summary>SHA-256 of <see cref="ToJson"/>, 64 lower-case hex digits.</summary>
    [JsonIgnore]
    public string Hash => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ToJson())));

    /// <summary>The steps' estimates, one after the other, and side by side where they are done so.</summary>
    [JsonIgnore]
    public double EstimateSeconds => PlanStages.SecondsOf(this, step => step.EstimateSeconds);

    /// <summary>The plan as a step of it has it: of a recovery of several sources, what it is for that step's.</summary>
    public RecoveryPlan For(PlannedStep step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return Several?.Parts.FirstOrDefault(part => part.Source == step.Part) is not { } part ? this
            : this with { Source = part.Source, Basis = part.Basis, Loss = part.Loss, Target = part.Target, Class = part.Class, RtoSeconds = part.RtoSeconds, RpoSeconds = part.RpoSeconds };
    }

    /// <summary>The one text form: members in the order of this record, dictionaries by key.</summary>
    public string ToJson() => JsonSerializer.Serialize(this with { Steps = [.. Steps.Select(Ordered)] }, s_form);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="EngineException"><c>plan-version-unknown</c>, <c>plan-unreadable</c>.</exception>
    public static RecoveryPlan Parse(string json)
    {
        try
        {
            var plan = JsonSerializer.Deserialize<RecoveryPlan>(json, s_form)!;
            return plan.FormatVersion == CurrentVersion
                ? plan
                : throw new EngineException("plan-version-unknown", ErrorKind.Unsupported,
                    $"the recovery plan has version {plan.FormatVersion}, this build knows {CurrentVersion}", "make the plan again");
        }
        catch (JsonException fault)
        {
            throw new EngineException("plan-unreadable", ErrorKind.Input, $"the recovery plan cannot be read: {fault.Message}", "make the plan again", fault);
        }
    }

    private static PlannedStep Ordered(PlannedStep step) =>
        step with { Parameters = step.Parameters.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary(pair => pair.Key, pair => pair.Value) };
}
