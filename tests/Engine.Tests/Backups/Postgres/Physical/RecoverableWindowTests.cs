using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

public sealed class RecoverableWindowTests(PostgresLab lab)
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private static RecoverableWindow WithHole => new("hot", s_noon.AddHours(4),
    [
        new WindowStretch(s_noon, s_noon.AddHours(1), 1, "0/9000000", [Base(0, "0/2000028"), Base(30, "0/5000028")]),
        new WindowStretch(s_noon.AddHours(2), s_noon.AddHours(3), 1, "0/F000000", [Base(120, "0/C000028")]),
    ],
    []);

    [Theory]
    [InlineData(0, 0, 0x5000028 - 0x2000028)]
    [InlineData(29, 0, 0x5000028 - 0x2000028)]
    [InlineData(30, 1, 0x9000000 - 0x5000028)]
    [InlineData(60, 1, 0x9000000 - 0x5000028)]
    [InlineData(180, 2, 0xF000000 - 0xC000028)]
    public void Reach_within_a_stretch_begins_with_the_newest_base_before_the_moment(int minutes, int basis, long walBytes)
    {
        var reach = WithHole.Reach(s_noon.AddMinutes(minutes));

        Assert.True(reach.IsReachable);
        Assert.Equal((WithHole.Stretches.SelectMany(stretch => stretch.Bases).ElementAt(basis).At, walBytes), (reach.Base!.At, reach.WalBytes));
    }

    [Fact]
    public void Reach_in_a_hole_names_it_and_the_nearest_moments()
    {
        var reach = WithHole.Reach(s_noon.AddMinutes(90));

        Assert.False(reach.IsReachable);
        Assert.Equal((s_noon.AddHours(1), s_noon.AddHours(2)), (reach.Hole!.From, reach.Hole.To));
        Assert.Equal((s_noon.AddHours(1), s_noon.AddHours(2)), (reach.Before, reach.After));
    }

    [Fact]
    public void Reach_before_and_after_everything_lies_in_no_hole()
    {
        var (before, after) = (WithHole.Reach(s_noon.AddMinutes(-1)), WithHole.Reach(s_noon.AddHours(5)));

        Assert.Equal((null, null, s_noon), (before.Hole, before.Before, before.After));
        Assert.Equal((null, s_noon.AddHours(3), null), (after.Hole, after.Before, after.After));
    }

    [Fact]
    public void Moment_on_two_branches_is_reached_along_the_newest_and_the_other_is_named()
    {
        var window = new RecoverableWindow("hot", s_noon.AddHours(4),
        [
            new WindowStretch(s_noon, s_noon.AddHours(2), 1, "0/9000000", [Base(0, "0/2000028"), Base(50, "0/5000028")]),
            new WindowStretch(s_noon.AddHours(1), s_noon.AddHours(3), 2, "0/F000000", [Base(0, "0/2000028")]),
        ],
        []);

        var (old, both, late) = (window.Reach(s_noon.AddMinutes(55)), window.Reach(s_noon.AddMinutes(90)), window.Reach(s_noon.AddMinutes(150)));

        Assert.Equal((1u, s_noon.AddMinutes(50)), (old.Timeline!.Value, old.Base!.At));
        Assert.Equal((2u, s_noon), (both.Timeline!.Value, both.Base!.At));
        Assert.Equal([1u], both.Others);
        Assert.Equal(2u, late.Timeline);
        Assert.Empty(late.Others);
        Assert.Equal((2u, true), (window.Living!.Timeline, window.HasBranches));
        Assert.Empty(window.Holes);
    }

    [Fact]
    public async Task Window_of_a_real_source_reaches_from_its_base_backup_to_the_last_stored_WAL()
    {
        await using var driver = await CreateAsync(lab);
        var point = await PhysicalRoundTripTests.CaptureAsync(driver, fromDirectory: true);
        var alone = await RecoverableWindow.ReadAsync(driver.Repository, "orders", "hot", s_noon, Ct);
        await PointInTimeTests.StoreWalAsync(driver);

        var window = await RecoverableWindow.ReadAsync(driver.Repository, "orders", "hot", s_noon, Ct);

        Assert.Equal(Assert.Single(alone.Stretches).From, alone.Stretches[0].To);
        var stretch = Assert.Single(window.Stretches);
        Assert.Equal(point.BackupId, Assert.Single(stretch.Bases).Id);
        Assert.True(stretch.To > stretch.From);
        Assert.True(window.Reach(stretch.To).IsReachable);
        Assert.Empty(window.Holes);
        Assert.Empty((await RecoverableWindow.ReadAsync(driver.Repository, "orders", "hot", s_noon, Ct, new HashSet<string> { point.BackupId.Value })).Stretches);
    }

    private static WindowBase Base(int minutes, string start) =>
        new(new RestorePointId(Guid.NewGuid().ToString("N")), s_noon.AddMinutes(minutes), 1, start, start);
}
