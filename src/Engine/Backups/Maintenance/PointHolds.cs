using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What became of a hold, or of its release.</summary>
/// <param name="Hold">The hold.</param>
/// <param name="Away">Tiers that could not be told, each with the reason; they are told before anything expires there.</param>
public sealed record HoldOutcome(HoldRow Hold, IReadOnlyList<string> Away);

/// <summary>
/// Places and ends holds. The catalog first, with the audit event: from then on no run of this console gives the point up. Then
/// an attestation in every tier that holds it, so that a prune from the command line, or one that knows no catalog, obeys too.
/// A tier that was away is told by its next retention run, before that expires anything.
/// </summary>
public sealed class PointHolds(HoldCatalog holds, RestorePointCatalog points, TierRepositories tiers)
{
    /// <summary>Places a hold.</summary>
    /// <exception cref="EngineException">No reason, an end in the past, or no such point.</exception>
    public async Task<HoldOutcome> PlaceAsync(string restorePoint, string reason, DateTimeOffset? until, string actor, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        var hold = await holds.PlaceAsync(point, reason, until, actor, cancellationToken);
        return new HoldOutcome(hold, await TellTiersAsync(point, cancellationToken));
    }

    /// <summary>Ends a hold.</summary>
    /// <exception cref="EngineException">No reason, or it has ended already.</exception>
    public async Task<HoldOutcome> ReleaseAsync(Guid id, string reason, string actor, CancellationToken cancellationToken)
    {
        var hold = await holds.ReleaseAsync(id, reason, actor, cancellationToken) ?? throw new EngineException(
            "hold-released", ErrorKind.Conflict, "this hold has ended already", "Look at the restore point's page again.");
        return new HoldOutcome(hold, await TellTiersAsync(await points.ResolveAsync(hold.RestorePoint, cancellationToken), cancellationToken));
    }

    /// <summary>Brings a tier's attestations up to what the catalog knows; returns how many were written.</summary>
    public async Task<int> TellAsync(BackupRepository repository, string tier, string workspace, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        var written = 0;
        foreach (var hold in await holds.OfTierAsync(tier, workspace, cancellationToken))
        {
            var point = new RestorePointId(hold.RestorePoint);
            var content = JsonSerializer.SerializeToElement(new { hold.Reason, hold.Until, by = hold.PlacedBy }, JsonSerializerOptions.Web);
            written += await repository.EnsureAttestationAsync(hold.Id, Attestations.Hold, point, content, cancellationToken) ? 1 : 0;
            if (hold.ReleaseId is { } release)
            {
                content = JsonSerializer.SerializeToElement(new { attestation = hold.Id.ToString("N"), by = hold.ReleasedBy }, JsonSerializerOptions.Web);
                written += await repository.EnsureAttestationAsync(release, Attestations.Release, point, content, cancellationToken) ? 1 : 0;
            }
        }

        return written;
    }

    private async Task<IReadOnlyList<string>> TellTiersAsync(RestorePointRow point, CancellationToken cancellationToken)
    {
        var away = new List<string>();
        var held = (await points.TiersAsync(point.Id, cancellationToken)).Where(row => row.State != "behind").Select(row => row.Tier).ToHashSet();
        foreach (var tier in tiers.Tiers.Where(tier => held.Contains(tier.Name)))
        {
            try
            {
                await using var repository = await tiers.OpenAsync(tier, point.Workspace, cancellationToken);
                await TellAsync(repository, tier.Name, point.Workspace, cancellationToken);
            }
            catch (EngineException fault)
            {
                away.Add($"{tier.Name}: {fault.Message}");
            }
        }

        return away;
    }
}
