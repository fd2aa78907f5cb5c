using Hexabase.DrConsole.Engine.Health;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>An incident as other pages show it: what was seen, and whether whoever saw it can be believed now.</summary>
/// <param name="Card">Its evidence card.</param>
/// <param name="Watch">How the watcher stands at this moment.</param>
public sealed record IncidentBrief(Incident Incident, Evidence Card, WatchStanding Watch);

/// <summary>Reads them.</summary>
internal sealed class IncidentBriefs(IncidentStore incidents, HealthWatch watch)
{
    /// <summary>The brief of an incident; null for none, or one that nobody knows.</summary>
    public async Task<IncidentBrief?> FindAsync(long? incident, CancellationToken cancellationToken) =>
        incident is { } number && await incidents.FindAsync(new IncidentId(number), cancellationToken) is { } found
            ? new IncidentBrief(found, Evidence.Parse(found.EvidenceJson), await watch.ReadAsync(cancellationToken))
            : null;
}
