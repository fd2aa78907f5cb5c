using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>Which probes said what and when, where they disagree, and what else it could be.</summary>
public partial class EvidenceCard
{
    /// <summary>The card as it was when the incident became sure, or as it is while it is suspected.</summary>
    [Parameter, EditorRequired]
    public Evidence Card { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private static IReadOnlyList<ProbeRow> Rows(SubjectEvidence subject) =>
        [.. subject.Probes.Select(probe => new ProbeRow(probe.Probe, probe.Kind, probe.Answer, probe.LatencyMs, probe.Detail, probe.MissesInARow))];
}

/// <summary>One probe's answer as a row.</summary>
/// <param name="Misses">Misses in a row, where the table shows them.</param>
public sealed record ProbeRow(string Probe, ProbeKind Kind, ProbeAnswer Answer, double LatencyMs, string? Detail, int Misses = 0);
