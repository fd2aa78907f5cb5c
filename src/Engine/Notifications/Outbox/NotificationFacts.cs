using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Notifications.Outbox;

/// <summary>What one probe said, in short.</summary>
/// <param name="Answer">As the evidence card names it: <c>NoAnswer</c>, <c>Corrupt</c>.</param>
public sealed record EvidenceFact(string Subject, string Probe, string Answer, string? Detail, int MissesInARow);

/// <summary>
/// What a notification tells, as values: its texts are made from them in the channel's or the reader's language. They are what was
/// true in the transaction that wrote them, and hold no secret.
/// </summary>
public sealed record NotificationFacts
{
    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static NotificationFacts None { get; } = new();

    /// <summary>The disaster's name, or the kind of run.</summary>
    public string? Kind { get; init; }

    /// <summary>What is affected.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    public IReadOnlyList<string> Tiers { get; init; } = [];

    /// <summary>The run, as <c>R-5</c>.</summary>
    public string? Run { get; init; }

    /// <summary>The incident, as <c>I-12</c>.</summary>
    public string? Incident { get; init; }

    /// <summary>The plan's name and version.</summary>
    public string? Plan { get; init; }

    /// <summary>Beginning of the restore point's id.</summary>
    public string? RestorePoint { get; init; }

    /// <summary>Where a restore goes.</summary>
    public string? Target { get; init; }

    public DateTimeOffset? FirstEvidenceAt { get; init; }

    public IReadOnlyList<EvidenceFact> Evidence { get; init; } = [];

    /// <summary>Everything committed up to here comes back.</summary>
    public DateTimeOffset? KeepsUntil { get; init; }

    /// <summary>What was committed from there up to here is lost; null while writes may still be accepted.</summary>
    public DateTimeOffset? LossUntil { get; init; }

    public double? EstimateSeconds { get; init; }

    public double? RtoSeconds { get; init; }

    /// <summary>How much work would be lost now.</summary>
    public double? LossSeconds { get; init; }

    /// <summary>How much the class allows.</summary>
    public double? RpoSeconds { get; init; }

    /// <summary>Since when it should have been done.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>How long it took.</summary>
    public double? Seconds { get; init; }

    /// <summary>Who asked for it.</summary>
    public string? Requester { get; init; }

    /// <summary>Who did it.</summary>
    public string? Person { get; init; }

    /// <summary>Why, in that person's or the engine's words.</summary>
    public string? Reason { get; init; }

    /// <summary>How many approvals are needed.</summary>
    public int? Needed { get; init; }

    /// <summary>Risk class of a gate.</summary>
    public string? Risk { get; init; }

    /// <summary>By when somebody must have acted.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>The step's name.</summary>
    public string? Step { get; init; }

    /// <summary>How it ended: a recovery's outcome, an incident's resolution.</summary>
    public string? Outcome { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, s_form);

    public static NotificationFacts Parse(string json) => JsonSerializer.Deserialize<NotificationFacts>(json, s_form) ?? None;
}
