using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>
/// Looks through what each tier holds of a source's WAL while it is received: an object that vanished in the middle shows in no
/// lag and in no reading back of the newest. What another tier has is copied; what none has is a gap.
/// </summary>
internal sealed class WalHoleCheck(TierRepositories tiers, ProtectedEstate estate, Source source, CatalogWalJournal journal, WalCatalog wal, TimeProvider time, ILogger log)
{
    /// <summary>A look lists all objects of the WAL in each tier, and reads none; what a check found damaged counts as missing.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstAfter = TimeSpan.FromSeconds(30);

    /// <summary>Looks again and again until it is cancelled or the lease is lost.</summary>
    /// <exception cref="WalFenceException">The lease is lost.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        await Task.Delay(FirstAfter, time, ct);
        while (true)
        {
            try
            {
                await LookAsync(ct);
            }
            catch (Exception fault) when (fault is EngineException or NpgsqlException)
            {
                // The catalog may be away as well as a tier: receiving goes on.
                log.LogWarning("the WAL of {Source} could not be looked through for holes: {Reason}", source.Name, fault.Message);
            }

            await Task.Delay(Every, time, ct);
        }
    }

    /// <summary>One look at all tiers that answer.</summary>
    internal async Task LookAsync(CancellationToken ct)
    {
        if (await wal.ReceiversAsync(source.Name, ct) is not [{ SystemIdentifier: { } identifier, Timeline: { } number }, ..])
        {
            // Nothing was received yet.
            return;
        }

        var (system, timeline) = (ulong.Parse(identifier, System.Globalization.CultureInfo.InvariantCulture), (uint)number);
        var looks = new List<Look>();
        try
        {
            foreach (var tier in estate.TiersOf(source))
            {
                if (await TryOpenAsync(tier, ct) is { } repository)
                {
                    looks.Add(new Look(tier.Name, repository, await repository.OpenWalAsync(source.Name, system, ct)));
                }
            }

            foreach (var look in looks)
            {
                look.Holes = await look.Archive.HolesAsync(timeline, ct);
            }

            await FillAsync(looks, timeline, ct);
            foreach (var look in looks)
            {
                await journal.LookedThroughAsync(look.Tier, look.Holes, ct);
            }

            // While a tier is away nobody can say that its copy is gone too.
            if (looks.Count == estate.TiersOf(source).Count && looks.Count > 0)
            {
                foreach (var lost in WalHole.Common([.. looks.Select(look => look.Holes)]))
                {
                    await journal.RecordGapAsync(
                        new WalGap(system, lost.Timeline, new Lsn(lost.StartLsn), new Lsn(lost.EndLsn),
                            lost.IsDamaged ? "WAL that was stored is damaged, and no tier holds it whole" : "WAL that was stored is gone from every tier"), ct);
                }
            }
        }
        finally
        {
            foreach (var look in looks)
            {
                await look.Repository.DisposeAsync();
            }
        }
    }

    private async Task<BackupRepository?> TryOpenAsync(StorageTier tier, CancellationToken ct)
    {
        try
        {
            return await tiers.OpenAsync(tier, source.Workspace, ct);
        }
        catch (EngineException away)
        {
            log.LogWarning("the WAL of {Source} in {Tier} could not be looked through: {Reason}", source.Name, tier.Name, away.Message);
            return null;
        }
    }

    /// <summary>Copies into each tier with holes what the others have there.</summary>
    private async Task FillAsync(List<Look> looks, uint timeline, CancellationToken ct)
    {
        foreach (var look in looks.Where(look => look.Holes.Count > 0))
        {
            foreach (var giver in looks.Where(other => other != look))
            {
                await journal.RequireAsync(ct);
                var copied = await giver.Repository.CopyWalAsync(look.Repository, look.Archive.Stream, null, ct);
                if (copied.Objects > 0)
                {
                    log.LogWarning("{Count} objects of the WAL of {Source} were missing or damaged in {Tier} and came from {Giver}", copied.Objects, source.Name, look.Tier, giver.Tier);
                }
            }

            look.Holes = await look.Archive.HolesAsync(timeline, ct);
        }
    }

    private sealed record Look(string Tier, BackupRepository Repository, WalArchive Archive)
    {
        public IReadOnlyList<WalHole> Holes { get; set; } = [];
    }
}
