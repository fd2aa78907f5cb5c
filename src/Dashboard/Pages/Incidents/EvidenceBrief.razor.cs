using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>What a recovery is for, beside it: the evidence card in a few lines, what is wrong first, with the way to all of it.</summary>
public partial class EvidenceBrief
{
    private const int MostShown = 6;

    [Parameter, EditorRequired]
    public IncidentBrief Brief { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private bool HasSeveral => Brief.Card.Subjects.Count > 1;

    private IEnumerable<(string Subject, ProbeEvidence Probe)> All => Brief.Card.Subjects
        .SelectMany(subject => subject.Probes.Select(probe => (subject.Name, probe))).OrderBy(one => one.probe.Answer == ProbeAnswer.Answered ? 1 : 0);

    private IEnumerable<(string Subject, ProbeEvidence Probe)> Shown => All.Take(MostShown);

    private int Left => All.Skip(MostShown).Count();
}
