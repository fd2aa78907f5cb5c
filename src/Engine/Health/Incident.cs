namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Names an incident; pages write it as I-12.</summary>
public readonly record struct IncidentId(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"I-{Value}");
}

/// <summary>How sure it is. Only what is not resolved is open.</summary>
public enum IncidentState
{
    /// <summary>Something does not answer, for too short a time or by too few kinds of probe to be sure.</summary>
    Suspected,

    /// <summary>Several kinds of probe say it, often enough.</summary>
    Confirmed,

    /// <summary>Over: healthy again, taken for something else, or closed by a person.</summary>
    Resolved,
}

/// <summary>A classified problem as the catalog holds it.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Sources">The sources that it touches, sorted. Of one kind and set there is one open incident.</param>
/// <param name="State">How sure it is.</param>
/// <param name="FirstEvidenceAt">When the first sign of it was seen: a restore point before this moment is older than the trouble.</param>
/// <param name="ConfirmedAt">When it became sure; null where it never did.</param>
/// <param name="EvidenceJson">JSON of <see cref="Evidence"/>.</param>
public sealed record Incident(
    IncidentId Id, DisasterKind Kind, IReadOnlyList<string> Sources, IncidentState State, DateTimeOffset FirstEvidenceAt, DateTimeOffset? ConfirmedAt, string EvidenceJson)
{
    /// <summary>The tiers that it touches, sorted.</summary>
    public IReadOnlyList<string> Tiers { get; init; } = [];

    /// <summary>When it was written down.</summary>
    public DateTimeOffset SuspectedAt { get; init; }

    public DateTimeOffset? ResolvedAt { get; init; }

    /// <summary>How it ended: <c>healthy</c>, <c>superseded</c> or <c>closed</c>; null while it is open.</summary>
    public string? Resolution { get; init; }

    /// <summary>Who has seen it, or null.</summary>
    public string? AcknowledgedBy { get; init; }

    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>What that person wrote.</summary>
    public string? Note { get; init; }

    /// <summary>True until it is resolved.</summary>
    public bool IsOpen => State != IncidentState.Resolved;

    /// <summary>True where something may have to be recovered.</summary>
    public bool IsDisaster => Kind.IsDisaster() && Sources.Count > 0 && !IsOnlyFullDisk;

    /// <summary>True where all that is wrong is how full a disk is.</summary>
    public bool IsOnlyFullDisk => Kind == DisasterKind.StorageFailure && EvidenceJson.Length > 0 && Evidence.Parse(EvidenceJson).IsOnlyFullDisk;
}

/// <summary>One entry of an incident's timeline.</summary>
/// <param name="What"><c>suspected</c>, <c>confirmed</c>, <c>changed</c>, <c>healthy</c>, <c>superseded</c>, <c>acknowledged</c> or <c>closed</c>.</param>
/// <param name="Actor">A person's name, or <c>engine</c>.</param>
public sealed record IncidentEvent(DateTimeOffset At, string What, string Actor, string? Text);
