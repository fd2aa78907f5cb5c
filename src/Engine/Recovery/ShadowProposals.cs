using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Recovery;

/// <summary>A recovery that would have been proposed.</summary>
/// <param name="RestorePoint">From which it would have gone, of those that are still kept; null where none did, or the plan restores nothing.</param>
/// <param name="PointOf">When that was made.</param>
/// <param name="Refusal">Why no plan could have been made; null where one could.</param>
public sealed record ShadowProposal(string Source, string Plan, int PlanVersion, string? RestorePoint, DateTimeOffset? PointOf, string? Refusal);

/// <summary>What would have been proposed for an incident that history, played again, would have confirmed. Makes no plan and changes nothing.</summary>
public sealed class ShadowProposals(PlanLibrary library, PointChoice choice, ProtectedEstate estate)
{
    /// <summary>Of so many it is looked up what would have been proposed; who turns the thresholds so far down has other questions.</summary>
    private const int MostProposed = 50;

    private static readonly Dictionary<string, string> s_none = [];

    /// <summary>Of each that would have been proposed for, of the first fifty; two that are alike are two all the same.</summary>
    public async Task<IReadOnlyDictionary<ReplayedIncident, IReadOnlyList<ShadowProposal>>> OfAsync(IReadOnlyList<ReplayedIncident> incidents, CancellationToken cancellationToken)
    {
        var proposals = new Dictionary<ReplayedIncident, IReadOnlyList<ShadowProposal>>(ReferenceEqualityComparer.Instance);
        foreach (var one in incidents.Where(one => one.IsProposed).Take(MostProposed))
        {
            proposals[one] = await OfAsync(one, cancellationToken);
        }

        return proposals;
    }

    /// <summary>By source and plan, with the plans and restore points of now.</summary>
    public async Task<IReadOnlyList<ShadowProposal>> OfAsync(ReplayedIncident incident, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(incident);
        if (!incident.IsProposed)
        {
            return [];
        }

        var templates = (await library.ListAsync(cancellationToken)).Select(version => (Version: version, library.TryRead(version).Template))
            .Where(one => one.Template?.Disasters.Contains(incident.Kind.ToName()) == true).ToList();
        var proposals = new List<ShadowProposal>();
        foreach (var source in estate.Sources.Where(source => incident.Sources.Contains(source.Name)))
        {
            foreach (var (version, template) in templates.Where(one => one.Template!.IsFor(source)))
            {
                proposals.Add(await OfAsync(incident, source, version, template!, cancellationToken));
            }
        }

        return proposals;
    }

    private async Task<ShadowProposal> OfAsync(ReplayedIncident incident, Source source, PlanVersion version, PlanTemplate template, CancellationToken cancellationToken)
    {
        if (!template.Restores)
        {
            return new ShadowProposal(source.Name, version.Plan, version.Version, null, null, null);
        }

        // As the plan would have chosen then: of what no WAL follows, and after corruption, nothing that was not complete before the first evidence.
        var before = incident.Kind == DisasterKind.DatabaseCorruption || source.Postgres is null ? incident.FirstEvidenceAt : incident.ConfirmedAt!.Value;
        try
        {
            var point = (await choice.ChooseAsync(source, null, before, s_none, cancellationToken)).Point;
            return new ShadowProposal(source.Name, version.Plan, version.Version, point.Id, point.CreatedAt, null);
        }
        catch (EngineException fault) when (fault.Code == "no-valid-backup")
        {
            return new ShadowProposal(source.Name, version.Plan, version.Version, null, null, fault.Message);
        }
    }
}
