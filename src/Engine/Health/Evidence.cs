using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>What an evidence card remarks beside what the probes said; pages have the words.</summary>
public enum Remark
{
    /// <summary>Split: its port opens, the server behind it does not answer.</summary>
    PortOpensServerSilent,

    /// <summary>Split: its host answers that the port is closed.</summary>
    HostAnswersPortClosed,

    /// <summary>Split: it answers, and stored bytes are wrong.</summary>
    AnswersButCorrupt,

    /// <summary>Split: one probe found corruption, another that reads there did not.</summary>
    CorruptByOneOnly,

    /// <summary>Split: others at the same place answer.</summary>
    NeighboursAnswer,

    /// <summary>Split: it answers and refuses this console's role.</summary>
    AnswersButDenies,

    /// <summary>All probes of it say the same.</summary>
    AllAgree,

    /// <summary>Else: this console may be cut off from everything.</summary>
    ConsoleCutOff,

    /// <summary>Else: all of it may really have stopped at once.</summary>
    AllStopped,

    /// <summary>Else: the server process may only have been stopped.</summary>
    ServerStopped,

    /// <summary>Else: the server may be frozen or overloaded, rather than gone.</summary>
    FrozenOrOverloaded,

    /// <summary>Else: the way between this console and that host may be broken.</summary>
    WayBetween,

    /// <summary>Else: the server is starting or replaying WAL.</summary>
    Starting,

    /// <summary>Else: a changed password or right, not a disaster.</summary>
    CredentialsChanged,

    /// <summary>Else: it has as many connections as it takes, and serves those.</summary>
    TooManyConnections,

    /// <summary>Else: its disk may be full.</summary>
    DiskFull,

    /// <summary>Else: the disk or its controller returns wrong bytes, and a restore onto it would not last.</summary>
    FailingDisk,

    /// <summary>Else: memory that flips bits shows the same.</summary>
    FailingMemory,

    /// <summary>Else: an old version of the file came back, for example from a snapshot of the disk.</summary>
    StaleFile,

    /// <summary>Else: maintenance that nobody announced.</summary>
    UnannouncedMaintenance,
}

/// <summary>A remark with what it is about.</summary>
/// <param name="Subject">The source or tier, or null for all of it.</param>
/// <param name="Detail">A host and port, a name, a number; or null.</param>
public sealed record EvidenceRemark(Remark Remark, string? Subject = null, string? Detail = null);

/// <summary>What one probe said.</summary>
/// <param name="MissesInARow">In how many rounds in a row its kind missed.</param>
public sealed record ProbeEvidence(
    string Probe, ProbeKind Kind, ProbeAnswer Answer, double LatencyMs, string? Detail, string? Code, DateTimeOffset At, int MissesInARow);

/// <summary>What the probes of one subject said.</summary>
/// <param name="FirstSignAt">When its trouble was first seen.</param>
public sealed record SubjectEvidence(
    string Name, SubjectKind Kind, string? Endpoint, int MissesInARow, DateTimeOffset? FirstSignAt, IReadOnlyList<ProbeEvidence> Probes);

/// <summary>The evidence card: which probes said what and when, which disagreed, what else it could have been.</summary>
/// <param name="At">The round that it shows.</param>
/// <param name="Subjects">What was seen of everything that the incident touches.</param>
/// <param name="Disagreements">Where probes contradict each other, or that none does.</param>
/// <param name="Alternatives">What else would look like this.</param>
public sealed record Evidence(
    DateTimeOffset At, IReadOnlyList<SubjectEvidence> Subjects, IReadOnlyList<EvidenceRemark> Disagreements, IReadOnlyList<EvidenceRemark> Alternatives)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>
    /// True where all that is wrong is how full a disk is: nothing is lost, and a restore would need more of what is missing. A single
    /// silent round beside it is no trouble of its own.
    /// </summary>
    [JsonIgnore]
    public bool IsOnlyFullDisk => Subjects?.SelectMany(one => one.Probes).Where(probe => probe.MissesInARow > 0).ToList() is { } missed
        && missed.Exists(probe => probe.Kind == ProbeKind.Disk) && missed.TrueForAll(probe => probe.Kind == ProbeKind.Disk || probe.MissesInARow == 1);

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public static Evidence Parse(string json) => JsonSerializer.Deserialize<Evidence>(json, Json)!;

    /// <summary>Serialises what samples keep the same way.</summary>
    internal static JsonSerializerOptions Options => Json;
}
