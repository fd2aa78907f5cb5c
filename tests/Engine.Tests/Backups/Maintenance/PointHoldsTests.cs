using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

public sealed class PointHoldsTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Place_keeps_the_point_in_the_catalog_and_in_every_tier_until_it_is_released()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var holds = HoldsOf(rig);
        var backup = await rig.BackupAsync();

        var placed = await holds.PlaceAsync(backup.RestorePoint!, "evidence of ticket 12", null, "anna", Ct);
        Assert.Empty(placed.Away);
        Assert.True((await RetainedAsync(rig)).IsHeld);
        Assert.Equal(["hold", "hold"], [.. await KindsAsync(rig, "hot"), .. await KindsAsync(rig, "warm")]);

        await holds.ReleaseAsync(placed.Hold.Id, "ticket closed", "ben", Ct);
        Assert.False((await RetainedAsync(rig)).IsHeld);
        Assert.Equal(["hold", "release"], await KindsAsync(rig, "warm"));
        Assert.Equal("hold-released", (await Assert.ThrowsAsync<EngineException>(() => holds.ReleaseAsync(placed.Hold.Id, "again", "ben", Ct))).Code);
        Assert.Equal(["hold.placed", "hold.released"], await AuditedAsync(backup.RestorePoint!));
    }

    [Fact]
    public async Task Place_with_a_tier_away_holds_all_the_same_and_tells_the_tier_later()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var holds = HoldsOf(rig);
        var backup = await rig.BackupAsync();
        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");

        var placed = await holds.PlaceAsync(backup.RestorePoint!, "the auditors want it", TimeProvider.System.GetUtcNow().AddDays(3), "anna", Ct);
        Assert.StartsWith("warm: ", Assert.Single(placed.Away), StringComparison.Ordinal);
        Assert.True((await RetainedAsync(rig)).IsHeld);

        Directory.Move(rig.Store("warm") + "-away", rig.Store("warm"));
        await using var warm = await rig.OpenAsync("warm");
        Assert.True(await holds.TellAsync(warm, "warm", rig.Source.Workspace, Ct) > 0);
        Assert.Equal(0, await holds.TellAsync(warm, "warm", rig.Source.Workspace, Ct));
        Assert.Equal(["hold"], await KindsAsync(rig, "warm"));
    }

    [Theory]
    [InlineData("", 1, "reason-missing")]
    [InlineData("too late", -1, "hold-in-the-past")]
    public async Task Place_what_makes_no_sense_is_refused_and_changes_nothing(string reason, int days, string code)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        var fault = await Assert.ThrowsAsync<EngineException>(() => HoldsOf(rig).PlaceAsync(backup.RestorePoint!, reason, TimeProvider.System.GetUtcNow().AddDays(days), "anna", Ct));
        Assert.Equal(code, fault.Code);
        Assert.False((await RetainedAsync(rig)).IsHeld);
        Assert.Empty(await KindsAsync(rig, "hot"));
        Assert.Empty(await AuditedAsync(backup.RestorePoint!));
    }

    private PointHolds HoldsOf(BackupRig rig) => new(new HoldCatalog(catalog.Pool), rig.Points, rig.Tiers);

    private static async Task<RetainedPoint> RetainedAsync(BackupRig rig) =>
        Assert.Single((await rig.Points.RetainedAsync([rig.Source.Name], Ct))[rig.Source.Name]);

    /// <summary>Other tests share the catalog and the names, so only this point counts.</summary>
    private static async Task<IReadOnlyList<string>> KindsAsync(BackupRig rig, string tier)
    {
        await using var repository = await rig.OpenAsync(tier);
        var point = Assert.Single((await repository.ListAsync(Ct)).Points).Id;
        return [.. (await repository.ListAttestationsAsync(null, Ct)).Where(one => one.RestorePoint == point).Select(one => one.Kind)];
    }

    private async Task<IReadOnlyList<string>> AuditedAsync(string point)
    {
        var events = new List<string>();
        await foreach (var one in AuditLog.ReadAsync(catalog.Pool, 0, int.MaxValue, Ct))
        {
            if (one.Subject == point && one.Action.StartsWith("hold.", StringComparison.Ordinal))
            {
                events.Add(one.Action);
            }
        }

        return events;
    }
}
