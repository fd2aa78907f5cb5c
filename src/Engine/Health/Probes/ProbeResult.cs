using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What sort of question a probe asks. Trouble is only sure where two sorts agree.</summary>
public enum ProbeKind
{
    /// <summary>Does anything listen there?</summary>
    Reach,

    /// <summary>Does it speak its protocol?</summary>
    Protocol,

    /// <summary>Does it do real work?</summary>
    Query,

    /// <summary>Are its stored bytes what was written?</summary>
    Integrity,

    /// <summary>Did a backup read bytes that are not what was written?</summary>
    Backup,

    /// <summary>How far is its copy behind?</summary>
    Replication,

    /// <summary>Is there space left?</summary>
    Disk,

    /// <summary>How old is what could be restored?</summary>
    Freshness,

    /// <summary>Does what carries it answer, as the host of a virtual cluster? It tells a broken way from a broken cluster.</summary>
    Host,
}

/// <summary>What a probe learned. Each is a value; a probe that throws has a bug.</summary>
public enum ProbeAnswer
{
    /// <summary>It answered, and what it said is well.</summary>
    Answered,

    /// <summary>Nothing came within the time.</summary>
    NoAnswer,

    /// <summary>Something answered that it does not serve: a closed port, a server that starts.</summary>
    Refused,

    /// <summary>It answered that this console may not ask: a password, a right, too many connections.</summary>
    Denied,

    /// <summary>Stored bytes are not what was written.</summary>
    Corrupt,

    /// <summary>It was measured and lies beyond its bound.</summary>
    Exceeded,

    /// <summary>Cannot be told here, for the reason in the detail. Never shown as well.</summary>
    NotDetectable,
}

/// <summary>What one probe said in one round.</summary>
/// <param name="Probe">The probe's name: <c>tcp</c>, <c>handshake</c>, <c>read</c>, <c>checksums</c> …</param>
/// <param name="LatencyMs">How long it took, in milliseconds.</param>
public sealed record ProbeResult(string Probe, ProbeKind Kind, ProbeAnswer Answer, double LatencyMs)
{
    /// <summary>English; what was seen, or why it cannot be told.</summary>
    public string? Detail { get; init; }

    /// <summary>The server's or the system's own code: an SQLSTATE, <c>ConnectionRefused</c>.</summary>
    public string? Code { get; init; }

    /// <summary>What was measured, where that is a number: failures, seconds, a share from 0 to 1.</summary>
    public double? Number { get; init; }

    /// <summary>When what was found was so already, where that is known and was before it was asked: corruption that a backup met while nobody watched is as old as that.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public DateTimeOffset? Since { get; init; }

    /// <summary>True where it was asked in an earlier round, and its answer still stands.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsRepeat { get; init; }

    /// <summary>True where this kind tells whether the thing serves at all.</summary>
    [JsonIgnore]
    public bool IsOfService => Kind is ProbeKind.Reach or ProbeKind.Protocol or ProbeKind.Query;

    /// <summary>True where it counts against the subject.</summary>
    [JsonIgnore]
    public bool IsMiss => Answer switch
    {
        ProbeAnswer.NoAnswer or ProbeAnswer.Refused or ProbeAnswer.Denied => IsOfService,
        ProbeAnswer.Exceeded => Kind == ProbeKind.Disk,
        _ => false,
    };

    /// <summary>True where it shows that something lives there.</summary>
    [JsonIgnore]
    public bool IsSignOfLife => IsOfService && Answer is ProbeAnswer.Answered or ProbeAnswer.Denied or ProbeAnswer.Corrupt;
}
