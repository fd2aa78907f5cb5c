using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>What the watcher last saw of a source.</summary>
public partial class HealthPanel
{
    /// <summary>The last look; null where there was none.</summary>
    [Parameter]
    public SubjectSample? Sample { get; set; }

    /// <summary>Open incidents that touch it.</summary>
    [Parameter]
    public IReadOnlyList<Incident> Open { get; set; } = [];

    /// <summary>How often is looked.</summary>
    [Parameter, EditorRequired]
    public TimeSpan Interval { get; set; }

    private TimeSpan Validity => 4 * Interval;

    /// <summary>The worst that a probe of service or of integrity said; what cannot be told makes nothing well or ill.</summary>
    private static Status StatusOf(SubjectSample sample)
    {
        var results = sample.Results;
        return results.Any(result => result.Answer == ProbeAnswer.Corrupt) ? Status.Damaged
            : results.FirstOrDefault(result => result.IsMiss) is { } miss ? IncidentWords.Of(miss.Answer, miss.Kind)
            : results.Any(result => result.IsSignOfLife) ? Status.Answers
            : Status.NotDetectable;
    }
}
