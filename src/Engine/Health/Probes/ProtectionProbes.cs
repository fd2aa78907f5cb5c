using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What the catalog knows of a source that bears on its health: how old its copy is, and what its backups met.</summary>
public sealed class ProtectionProbes : IProbeSource
{
    public ProtectionProbes(ProtectedEstate estate, StandingCatalog standings, NpgsqlDataSource catalog, TimeProvider time)
    {
        var reading = new StandingReading(standings, time);
        Probes =
        [
            .. from source in estate.Sources
               let subject = HealthSubject.Of(source)
               from probe in (IHealthProbe[])
               [
                   new FreshnessProbe(subject, reading), .. estate.WalOf(source) is null ? (IHealthProbe[])[] : [new WalLagProbe(subject, reading, time), new WalHoleProbe(subject, new WalCatalog(catalog), time)],
                   new BackupFaultProbe(subject, catalog),
               ]
               select probe,
        ];
    }

    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; }
}

/// <summary>Reads all standings once for a round's probes.</summary>
internal sealed class StandingReading(StandingCatalog standings, TimeProvider time)
{
    private static readonly TimeSpan Holds = TimeSpan.FromSeconds(5);
    private readonly Lock _gate = new();
    private Task<IReadOnlyList<SourceStanding>>? _read;
    private long _at;

    public async Task<SourceStanding?> OfAsync(string source, CancellationToken ct)
    {
        Task<IReadOnlyList<SourceStanding>> read;
        lock (_gate)
        {
            if (_read is null || _read.IsFaulted || _read.IsCanceled || time.GetElapsedTime(_at) > Holds)
            {
                // Not with one probe's token: the others wait for the same answer.
                (_read, _at) = (standings.ReadAsync(CancellationToken.None), time.GetTimestamp());
            }

            read = _read;
        }

        return (await read.WaitAsync(ct)).FirstOrDefault(one => one.Source.Name == source);
    }
}

/// <summary>How old is what could be restored, against the RPO?</summary>
internal sealed class FreshnessProbe(HealthSubject subject, StandingReading reading) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => "restore-point";

    public ProbeKind Kind => ProbeKind.Freshness;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (await reading.OfAsync(subject.Name, cancellationToken) is not { RpoNow: { } rpo } standing)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "there is no restore point");
        }

        var detail = string.Create(CultureInfo.InvariantCulture, $"{rpo.TotalSeconds:0} s would be lost, of {standing.Protection.Rpo.TotalSeconds:0} s allowed");
        return new ProbeFinding(rpo > standing.Protection.Rpo ? ProbeAnswer.Exceeded : ProbeAnswer.Answered, detail, null, Math.Round(rpo.TotalSeconds));
    }
}

/// <summary>How far is the received WAL behind the server?</summary>
internal sealed class WalLagProbe(HealthSubject subject, StandingReading reading, TimeProvider time) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => "wal-lag";

    public ProbeKind Kind => ProbeKind.Replication;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (await reading.OfAsync(subject.Name, cancellationToken) is not { Facts.Wal: { } wal } standing)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "no WAL is received, or nobody measured it yet");
        }

        var detail = string.Create(CultureInfo.InvariantCulture, $"{wal.Lag.TotalSeconds:0.#} s behind, measured {wal.MeasuredAt.UtcDateTime:HH:mm:ss} UTC");
        // What nobody measured since has grown by the time since.
        var lag = wal.Lag + Since(wal.MeasuredAt);
        return new ProbeFinding(lag > standing.Protection.Rpo ? ProbeAnswer.Exceeded : ProbeAnswer.Answered, detail, null, Math.Round(lag.TotalSeconds, 1));

        TimeSpan Since(DateTimeOffset at) => time.GetUtcNow() is var now && now > at ? now - at : TimeSpan.Zero;
    }
}

/// <summary>Is what is stored of the WAL without a hole?</summary>
internal sealed class WalHoleProbe(HealthSubject subject, WalCatalog wal, TimeProvider time) : IHealthProbe
{
    /// <summary>A look that is older says nothing of now.</summary>
    private static readonly TimeSpan Holds = TimeSpan.FromHours(1);

    public HealthSubject Subject => subject;

    public string Name => "wal-holes";

    public ProbeKind Kind => ProbeKind.Replication;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (await wal.GapsAsync(subject.Name, onlyOpen: true, cancellationToken) is [var gap, ..] gaps)
        {
            return new ProbeFinding(
                ProbeAnswer.Exceeded, $"WAL of timeline {gap.Timeline} from {gap.FromLsn} to {gap.ToLsn} is stored nowhere: {gap.Reason}", null, gaps.Count);
        }

        var tiers = await wal.TiersAsync(subject.Name, cancellationToken);
        if (tiers.FirstOrDefault(tier => tier.Holes.Count > 0) is { Holes: [var hole, ..] } holed)
        {
            return new ProbeFinding(
                ProbeAnswer.Exceeded, $"{holed.Tier} {(hole.IsDamaged ? "holds damaged" : "lacks")} WAL of timeline {hole.Timeline} from {hole.From} to {hole.To}", null, tiers.Sum(tier => tier.Holes.Count));
        }

        return tiers.Count == 0 || tiers.Any(tier => tier.LookedAt is not { } at || time.GetUtcNow() - at > Holds)
            ? new ProbeFinding(ProbeAnswer.NotDetectable, "not every tier was looked through for holes within the last hour")
            : new ProbeFinding(ProbeAnswer.Answered, $"no hole in {tiers.Count} tiers", null, 0);
    }
}

/// <summary>Did the last backup fail because the source's stored bytes are wrong?</summary>
internal sealed class BackupFaultProbe(HealthSubject subject, NpgsqlDataSource catalog) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => "backup-errors";

    public ProbeKind Kind => ProbeKind.Backup;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        // One that was dealt with before is no evidence any more. PostgreSQL's tools give its words, not its codes.
        var last = await catalog.Command(
            """
            SELECT r.id, r.error->>'message', (r.error->>'code' = 'source-damaged'
                OR r.error->>'message' ~* 'invalid page in block|could not read block|page verification failed|checksum verification fail|invalid page header'), r.ended_at
            FROM run r
            WHERE r.source = $1 AND r.kind = 'backup' AND r.state IN ('completed', 'failed')
              AND r.ended_at > coalesce((SELECT max(i.resolved_at) FROM incident i WHERE i.kind = 'DATABASE_CORRUPTION' AND $1 = ANY (i.sources)), '-infinity')
            ORDER BY r.id DESC LIMIT 1
            """, subject.Name).FirstAsync(
            row => new { Run = row.GetInt64(0), Message = row.TextOrNull(1), IsDamage = !row.IsDBNull(2) && row.GetBoolean(2), EndedAt = row.Time(3) }, cancellationToken);
        return last switch
        {
            null => new ProbeFinding(ProbeAnswer.NotDetectable, "no backup has ended"),
            { IsDamage: true } => new ProbeFinding(ProbeAnswer.Corrupt, $"R-{last.Run}: {last.Message}") { Since = last.EndedAt },
            _ => new ProbeFinding(ProbeAnswer.Answered, $"R-{last.Run} met no damage"),
        };
    }
}
