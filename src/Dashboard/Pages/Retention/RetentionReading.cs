using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>Reads what retention has to do with one source, in a handful of statements however many points there are.</summary>
public sealed class RetentionReading(RestorePointCatalog points, SourceCatalog sources, RetentionPlanning planning, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>More living points than any ladder leaves; a source without retention runs may have them.</summary>
    private const int MostPoints = 20_000;

    /// <summary>The source as it is kept now.</summary>
    /// <exception cref="Hexabase.DrConsole.Engine.EngineException">No such source, neither declared nor with restore points.</exception>
    public async Task<KeptSource> ReadAsync(string source, CancellationToken cancellationToken)
    {
        var rows = await points.ListAsync(source, MostPoints, cancellationToken);
        var declared = rows.Count == 0 ? estate.SourceNamed(source) : estate.Sources.FirstOrDefault(one => one.Name == source);
        var ids = rows.Select(row => row.Id).ToArray();
        var copies = (await points.TiersOfAsync(ids, cancellationToken)).ToLookup(row => row.RestorePoint);
        var validations = (await points.LastValidationsOfAsync(ids, cancellationToken)).ToDictionary(row => row.RestorePoint);
        var one = await planning.ClassOfAsync(source, cancellationToken);
        return new KeptSource(
            source, declared?.Workspace ?? rows[0].Workspace, one, estate.TiersOf(one),
            [.. rows.Select(row => new KeptPoint(row.Id, row.CreatedAt, [.. copies[row.Id]], validations.GetValueOrDefault(row.Id)))],
            await planning.OfSourceAsync(source, cancellationToken), await sources.KnownSinceAsync(source, cancellationToken), time.GetUtcNow());
    }

    /// <summary>What another policy would do; nothing is changed.</summary>
    public Task<RetentionSimulation> SimulateAsync(string source, RetentionPolicy policy, IReadOnlyDictionary<string, int> days, CancellationToken cancellationToken) =>
        planning.SimulateAsync(source, policy, days, cancellationToken);
}
