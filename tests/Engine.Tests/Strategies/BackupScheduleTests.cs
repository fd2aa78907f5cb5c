using CsCheck;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Tests.Strategies;

public sealed class BackupScheduleTests
{
    [Theory]
    [InlineData("critical", "*/2 * * * *")]
    [InlineData("important", "*/30 * * * *")]
    [InlineData("standard", "0 */12 * * *")]
    [InlineData("archive", "0 2 * * 1,4")]
    public void For_default_classes_gives_the_documented_schedule(string name, string cron) =>
        Assert.Equal(cron, BackupSchedule.For(ProtectionClass.Defaults[name], null, 0).Cron);

    [Fact]
    public void For_a_source_whose_WAL_is_received_base_backups_come_hourly_and_a_daily_class_stays_as_it_is()
    {
        Assert.Equal("0 * * * *", BackupSchedule.For(ProtectionClass.Defaults["critical"], null, 0, isContinuous: true).Cron);
        Assert.Equal("0 */12 * * *", BackupSchedule.For(ProtectionClass.Defaults["standard"], null, 0, isContinuous: true).Cron);
    }

    [Theory]
    [InlineData(70)]
    [InlineData(4_000)]
    public void For_a_run_longer_than_the_rpo_does_not_start_ever_more_often(int minutes)
    {
        var schedule = BackupSchedule.For(ProtectionClass.Defaults["important"], TimeSpan.FromMinutes(minutes), 0);
        Assert.Equal("*/30 * * * *", schedule.Cron);
        Assert.Contains("hardly be kept", schedule.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public void For_any_class_leaves_room_for_the_run_itself() =>
        Gen.Select(Gen.Int[3, 20_000], Gen.Double[0.01, 0.6], Gen.Int[0, 5_000]).Sample((minutes, share, spread) =>
        {
            var protection = ProtectionClass.Defaults["standard"] with { Rpo = TimeSpan.FromMinutes(minutes) };
            var duration = protection.Rpo * share;
            var schedule = BackupSchedule.For(protection, duration, spread);
            // Below a minute cron has nothing to offer; above it, start to start plus the run stays within the RPO.
            return schedule.Interval == TimeSpan.FromMinutes(1) || schedule.Interval + duration <= protection.Rpo;
        });
}
