using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Catalog;

/// <summary>What the catalog says of sources, on rows of the test's own.</summary>
public sealed class SourceCatalogTests(CatalogServer server)
{
    private readonly string _name = $"source-{Guid.NewGuid():n}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("critical", null, true)]
    [InlineData("critical", 0.1, true)]
    [InlineData("important", null, true)]
    [InlineData("important", 0.4, false)]
    [InlineData("important", 0.6, true)]
    public async Task NeedsValidation_depends_on_class_and_age_of_the_proof(string name, double? age, bool expected)
    {
        var estate = EstateOf(name);
        if (age is { } share)
        {
            var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
            await ValidateAsync(point, passed: true, estate.ClassOf(estate.Sources[0]).ProofLifetime * share);
        }

        Assert.Equal(expected, await NeedsAsync(estate));
    }

    [Fact]
    public async Task NeedsValidation_counts_no_failed_one_and_waits_for_an_open_one()
    {
        var estate = EstateOf("important");
        var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        await ValidateAsync(point, passed: false, TimeSpan.Zero);
        Assert.True(await NeedsAsync(estate));

        await new RunStore(server.Pool).RequestAsync(RunKinds.Validation, _name, point.Value, new { }, "tester", null, Ct);
        Assert.False(await NeedsAsync(estate));
    }

    [Fact]
    public async Task Standing_names_the_newest_point_and_the_one_that_counts()
    {
        var estate = EstateOf("critical");
        var older = await RecordAsync(DateTimeOffset.UnixEpoch.AddDays(1), "hot", "warm");
        var newer = await RecordAsync(DateTimeOffset.UnixEpoch.AddDays(2), "hot");
        await ValidateAsync(older, passed: true, TimeSpan.FromDays(2));
        await ValidateAsync(older, passed: false, TimeSpan.FromDays(1));

        var standing = Assert.Single(await new StandingCatalog(server.Pool, estate, TimeProvider.System).ReadAsync(Ct));
        Assert.Equal(newer.Value, standing.Facts.NewestPoint);
        Assert.Equal(["hot"], standing.Facts.Tiers.Select(tier => tier.Tier));
        Assert.Equal(DateTimeOffset.UnixEpoch.AddDays(1), standing.Facts.CountingAt);
        Assert.Equal([false, true], standing.Facts.Recent.Select(proof => proof.Passed));
        Assert.True(standing.Facts.LastProof!.Passed);
        Assert.Equal(Standing.Breached, standing.Standing);
    }

    [Fact]
    public async Task WAL_counts_only_where_a_sound_base_backup_leads_into_it_without_a_hole()
    {
        var estate = EstateOf("critical");
        await server.Pool.Command("INSERT INTO wal_receiver (source, system_identifier, timeline) VALUES ($1, '7', 1)", _name).RunAsync(Ct);
        foreach (var tier in (string[])["hot", "warm"])
        {
            await server.Pool.Command("INSERT INTO wal_tier (source, tier, state, system_identifier, timeline, lag_bytes, lag_seconds) VALUES ($1, $2, 'streaming', '7', 1, 10, 3)", _name, tier).RunAsync(Ct);
        }

        Assert.Null(await LagAsync());
        var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        await server.Pool.Command("UPDATE restore_point SET properties = '{\"systemIdentifier\": \"7\", \"startLsn\": \"0/5000028\"}' WHERE id = $1", point.Value).RunAsync(Ct);
        Assert.Equal(TimeSpan.FromSeconds(3), await LagAsync());

        await HoleAsync("0/4000000");
        Assert.NotNull(await LagAsync());
        await HoleAsync("0/6000000");
        Assert.Null(await LagAsync());
        await HoleAsync("0/4000000");
        await InTransactionAsync(transaction => RestorePointCatalog.RecordValidationAsync(
            transaction, new NewValidation(point.Value, 1, "hot", false, "[{\"status\": \"failed\"}]", null, 3, null, TimeProvider.System.GetUtcNow().AddDays(-1)), Ct));
        Assert.Null(await LagAsync());
        await ValidateAsync(point, passed: true, TimeSpan.Zero);
        Assert.NotNull(await LagAsync());
        await server.Pool.Command("UPDATE restore_point_tier SET state = 'damaged' WHERE restore_point = $1", point.Value).RunAsync(Ct);
        Assert.Null(await LagAsync());

        async Task<TimeSpan?> LagAsync() => Assert.Single(await new StandingCatalog(server.Pool, estate, TimeProvider.System).ReadAsync(Ct)).Facts.Wal?.Lag;
        Task<int> HoleAsync(string end) => server.Pool.Command(
            "UPDATE wal_tier SET holes = jsonb_build_array(jsonb_build_object('timeline', 1, 'from', '0/3000000', 'to', $2::text)) WHERE source = $1 AND tier = 'warm'", _name, end).RunAsync(Ct);
    }

    [Fact]
    public async Task Standing_of_a_source_without_anything_is_unproven()
    {
        var standing = Assert.Single(await new StandingCatalog(server.Pool, EstateOf("critical"), TimeProvider.System).ReadAsync(Ct));
        Assert.Equal((Standing.Unproven, StandingReason.NoRestorePoint), (standing.Standing, standing.Reason));
    }

    [Fact]
    public async Task BackupDurations_give_the_slowest_completed_one()
    {
        await server.Pool.Command("INSERT INTO source (name, kind, class, workspace, definition) VALUES ($1, 'postgres', 'critical', 'shop', '{}')", _name).RunAsync(Ct);
        foreach (var (state, seconds) in new[] { ("completed", 5), ("completed", 9), ("failed", 99) })
        {
            await server.Pool.Command(
                "INSERT INTO run (kind, source, request, request_hash, requested_by, state, result) VALUES ('backup', $1, '{}', '', 'tester', $2, $3)",
                _name, state, new Jsonb($"{{\"seconds\": {seconds}}}")).RunAsync(Ct);
        }

        Assert.Equal(TimeSpan.FromSeconds(9), (await new SourceCatalog(server.Pool, EstateOf("critical")).BackupDurationsAsync(Ct))[_name]);
    }

    [Fact]
    public async Task Probe_of_the_lag_counts_the_time_since_it_was_measured()
    {
        var estate = EstateOf("critical");
        await server.Pool.Command("INSERT INTO wal_receiver (source, system_identifier, timeline) VALUES ($1, '7', 1)", _name).RunAsync(Ct);
        await server.Pool.Command(
            """
            INSERT INTO wal_tier (source, tier, state, system_identifier, timeline, lag_bytes, lag_seconds, seen_at)
            SELECT $1, tier, 'down', '7', 1, 10, 3, clock_timestamp() - interval '2 days' FROM unnest(ARRAY['hot', 'warm']) AS t (tier)
            """, _name).RunAsync(Ct);
        var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        await server.Pool.Command("UPDATE restore_point SET properties = '{\"systemIdentifier\": \"7\", \"startLsn\": \"0/5000028\"}' WHERE id = $1", point.Value).RunAsync(Ct);
        var reading = new StandingReading(new StandingCatalog(server.Pool, estate, TimeProvider.System), TimeProvider.System);

        var found = await new WalLagProbe(HealthSubject.Of(estate.Sources[0]), reading, TimeProvider.System).AskAsync(Ct);

        Assert.Equal(ProbeAnswer.Exceeded, found.Answer);
    }

    [Fact]
    public async Task KnownSince_is_the_declaration_or_an_older_restore_point()
    {
        var sources = new SourceCatalog(server.Pool, EstateOf("critical"));
        Assert.Null(await sources.KnownSinceAsync(_name, Ct));
        await server.Pool.Command("INSERT INTO source (name, kind, class, workspace, definition, declared_at) VALUES ($1, 'postgres', 'critical', 'shop', '{}', '2026-01-02Z')", _name).RunAsync(Ct);
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero), await sources.KnownSinceAsync(_name, Ct));
        await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        Assert.Equal(DateTimeOffset.UnixEpoch, await sources.KnownSinceAsync(_name, Ct));
    }

    [Fact]
    public async Task Lapse_of_heartbeats_begins_at_the_last_that_is_known_and_the_newest_of_several_counts()
    {
        var drills = new DrillCatalog(server.Pool);
        var noon = new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
        await LapseAsync(null, noon);
        await LapseAsync(noon.AddHours(1), noon.AddHours(2));
        // The row was lost, and nobody remembers the last beat in it.
        await LapseAsync(null, noon.AddHours(4));
        await LapseAsync(noon.AddHours(3), noon.AddHours(5));

        Assert.Equal(DateTimeOffset.UnixEpoch, await drills.LapseAtAsync(_name, noon.AddHours(-1), Ct));
        Assert.Null(await drills.LapseAtAsync(_name, noon.AddMinutes(30), Ct));
        Assert.Equal(noon.AddHours(1), await drills.LapseAtAsync(_name, noon.AddMinutes(90), Ct));
        Assert.Equal(noon.AddHours(2), await drills.LapseAtAsync(_name, noon.AddMinutes(150), Ct));
        Assert.Equal(noon.AddHours(3), await drills.LapseAtAsync(_name, noon.AddMinutes(210), Ct));

        Task LapseAsync(DateTimeOffset? from, DateTimeOffset to) => InTransactionAsync(transaction => DrillCatalog.RecordLapseAsync(transaction, _name, from, to, Ct));
    }

    [Fact]
    public async Task Expiries_tell_when_each_tier_gave_a_point_up_and_why()
    {
        var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        await InTransactionAsync(async transaction =>
        {
            await RestorePointCatalog.ExpireAsync(transaction, "hot", [point.Value], Ct);
            await AuditLog.AppendAsync(transaction, "engine", "points.expired", "hot", new { workspace = "shop", points = new[] { new { id = point.Value, reason = "too old" } } }, Ct);
        });

        var points = new RestorePointCatalog(server.Pool);
        var expiry = Assert.Single(await points.ExpiriesAsync(point.Value, Ct));
        Assert.Equal(("hot", "too old"), (expiry.Tier, expiry.Reason));
        Assert.NotNull((await points.FindAsync(point.Value, Ct)).ExpiredAt);
        Assert.Equal("restore-point-expired", (await Assert.ThrowsAsync<EngineException>(() => points.ResolveAsync(point.Value, Ct))).Code);
    }

    [Fact]
    public async Task Point_that_has_expired_is_living_again_where_a_tier_has_stored_it_and_only_there()
    {
        var points = new RestorePointCatalog(server.Pool);
        var point = await RecordAsync(DateTimeOffset.UnixEpoch, "hot");
        await InTransactionAsync(transaction => RestorePointCatalog.ExpireAsync(transaction, "hot", [point.Value], Ct));
        await InTransactionAsync(transaction => RestorePointCatalog.RecordTierAsync(transaction, point, "warm", "behind", "it was given up meanwhile", Ct));
        Assert.NotNull((await points.FindAsync(point.Value, Ct)).ExpiredAt);

        await InTransactionAsync(transaction => RestorePointCatalog.RecordTierAsync(transaction, point, "warm", "stored", null, Ct));
        Assert.Null((await points.ResolveAsync(point.Value, Ct)).ExpiredAt);

        await InTransactionAsync(transaction => RestorePointCatalog.ExpireAsync(transaction, "warm", [point.Value], Ct));
        Assert.NotNull((await points.FindAsync(point.Value, Ct)).ExpiredAt);
    }

    private ProtectedEstate EstateOf(string name) =>
        new("test", "/nowhere", ProtectionClass.Defaults, [], [new Source(_name, SourceKind.Postgres, name, "shop")], []);

    private Task<bool> NeedsAsync(ProtectedEstate estate) =>
        new SourceCatalog(server.Pool, estate).NeedsValidationAsync(estate.Sources[0], estate.ClassOf(estate.Sources[0]), Ct);

    private async Task<RestorePointId> RecordAsync(DateTimeOffset createdAt, params string[] tiers)
    {
        var manifest = new Manifest
        {
            Id = new RestorePointId(Guid.NewGuid().ToString("n")), Source = _name, Kind = "postgres", CreatedAt = createdAt,
            CompletedAt = createdAt, Bytes = 1, StoredBytes = 1, Artifacts = [],
        };
        await InTransactionAsync(async transaction =>
        {
            await RestorePointCatalog.RecordAsync(transaction, manifest, null, Ct);
            foreach (var tier in tiers)
            {
                await RestorePointCatalog.RecordTierAsync(transaction, manifest.Id, tier, "stored", null, Ct);
            }
        });
        return manifest.Id;
    }

    private Task ValidateAsync(RestorePointId point, bool passed, TimeSpan age) =>
        InTransactionAsync(transaction => RestorePointCatalog.RecordValidationAsync(
            transaction, new NewValidation(point.Value, 1, "hot", passed, "[]", null, 3, null, TimeProvider.System.GetUtcNow() - age), Ct));

    private async Task InTransactionAsync(Func<NpgsqlTransaction, Task> write)
    {
        await using var connection = await server.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await write(transaction);
        await transaction.CommitAsync(Ct);
    }
}
