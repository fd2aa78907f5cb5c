using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Catalog;

/// <summary>What the catalog says of tiers, on rows of the test's own.</summary>
public sealed class TierCatalogTests(CatalogServer server)
{
    private readonly string _tier = $"tier-{Guid.NewGuid():n}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private TierCatalog Tiers => new(server.Pool);

    [Fact]
    public async Task RecordUsage_keeps_one_row_a_day_and_the_last_look_of_it()
    {
        var noon = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        await Tiers.RecordUsageAsync(_tier, noon, 10, 1, Ct);
        await Tiers.RecordUsageAsync(_tier, noon.AddHours(2), 30, 3, Ct);
        await Tiers.RecordUsageAsync(_tier, noon.AddHours(1), 20, 2, Ct);
        await Tiers.RecordUsageAsync(_tier, noon.AddHours(12), 40, 4, Ct);

        var days = (await Tiers.UsageAsync(new DateOnly(2026, 3, 1), Ct)).Where(day => day.Tier == _tier);
        Assert.Equal([new TierUsageDay(_tier, new DateOnly(2026, 3, 1), 30, 3), new TierUsageDay(_tier, new DateOnly(2026, 3, 2), 40, 4)], days);
    }

    [Fact]
    public async Task Holdings_count_by_state_and_leave_expired_points_out()
    {
        var oldest = DateTimeOffset.UnixEpoch.AddDays(3);
        await RecordAsync(DateTimeOffset.UnixEpoch, "verified", false);
        await RecordAsync(DateTimeOffset.UnixEpoch.AddDays(1), "stored", false);
        await RecordAsync(DateTimeOffset.UnixEpoch.AddDays(2), "damaged", false);
        await RecordAsync(oldest.AddDays(1), "behind", false);
        await RecordAsync(oldest, "behind", false);
        await RecordAsync(oldest, "verified", true);

        var held = (await Tiers.HoldingsAsync(Ct)).Single(one => one.Tier == _tier);
        Assert.Equal(new TierHoldings(_tier, 2, 1, 1, 2, oldest, 300), held);
        Assert.Equal([oldest, oldest.AddDays(1)], (await Tiers.BehindAsync(_tier, 10, Ct)).Select(row => row.CreatedAt));
    }

    [Fact]
    public async Task Checks_name_what_was_damaged()
    {
        await server.Pool.Command("INSERT INTO tier_check VALUES ($1, 'shop', 'L2', clock_timestamp(), 5, 50, '[\"packs/a0\"]', 'one pack cut')", _tier).RunAsync(Ct);

        var check = (await Tiers.ChecksAsync(Ct)).Single(one => one.Tier == _tier);
        Assert.Equal(["packs/a0"], check.Damaged);
        Assert.Equal(("shop", "L2", 5, 50, "one pack cut"), (check.Workspace, check.Level, check.Objects, check.Bytes, check.Detail));
    }

    [Theory]
    [InlineData("open", "1 hour", true)]
    [InlineData("open", "-1 hour", false)]
    [InlineData("expired", "-1 hour", false)]
    [InlineData("used", "-1 hour", true)]
    public async Task WAL_behind_a_point_is_claimed_by_the_run_that_waits_for_it_until_its_approval_is_expired(string gate, string until, bool isClaimed)
    {
        var (point, source) = (Guid.NewGuid().ToString("n"), $"claimed-{Guid.NewGuid():n}");
        await server.Pool.Command(
            """
            INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, properties)
            VALUES ($1, $2, 'postgres', 'standard', 'shop', now(), now(), 100, 10, '[]',
              '{"strategy": "physical", "timeline": "3", "startLsn": "0/9000028", "stopLsn": "0/9000100", "lineage": "1@0/3000000 2@0/6000000"}')
            """, point, source).RunAsync(Ct);
        var run = (long)(await server.Pool.Command(
            """
            WITH asked AS (INSERT INTO run (kind, source, restore_point, request, request_hash, state, requested_by) VALUES ('restore', $2, $1, '{}', '', 'waiting', 'tester') RETURNING id)
            INSERT INTO approval_gate (run_id, subject_hash, risk, needed, requester, state, approve_until, execute_within)
            SELECT id, '', 'destructive', 1, 'tester', $3, clock_timestamp() + $4::text::interval, interval '1 h' FROM asked RETURNING run_id
            """, point, source, gate, until).FirstAsync(row => (object)row.GetInt64(0), Ct))!;

        var retained = Assert.Single((await new RestorePointCatalog(server.Pool).RetainedAsync([source], Ct))[source]);

        Assert.True(retained.IsInUse);
        Assert.Equal(isClaimed ? [$"R-{run}"] : [], retained.UsedBy);
        Assert.Equal([new(1, 0, 0x3000000), new(2, 0x3000000, 0x6000000), new(3, 0x6000000, ulong.MaxValue)], retained.Place!.Line);
        await server.Pool.Command("UPDATE run SET state = 'cancelled', ended_at = clock_timestamp() WHERE id = $1", run).RunAsync(Ct);
    }

    private Task RecordAsync(DateTimeOffset at, string state, bool isExpired) => server.Pool.Command(
        """
        WITH point AS (
          INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, properties, expired_at)
          VALUES ($1, $2, 'test', 'standard', 'shop', $3, $3, 100, 10, '[]', '{}', CASE WHEN $5 THEN now() END) RETURNING id)
        INSERT INTO restore_point_tier (restore_point, tier, state, stored_at) SELECT id, $2, $4, $3 FROM point
        """, Guid.NewGuid().ToString("n"), _tier, at, state, isExpired).RunAsync(Ct);
}
