using System.Globalization;

namespace Hexabase.DrConsole.Engine.Strategies;

/// <summary>When a source is backed up, in UTC.</summary>
/// <param name="Cron">Five-field cron expression.</param>
/// <param name="Interval">The longest time between two starts of that expression.</param>
/// <param name="Explanation">Why it is so, for the source's page.</param>
public sealed record BackupSchedule(string Cron, TimeSpan Interval, string Explanation)
{
    private static readonly int[] MinuteSteps = [30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1];
    /// <summary>An hour's WAL replays in far less than any RTO, and an hourly rung of the ladder finds a point in each slot.</summary>
    private static readonly TimeSpan BaseInterval = TimeSpan.FromHours(1);
    private static readonly int[] HourSteps = [24, 12, 8, 6, 4, 3, 2, 1];

    /// <summary>
    /// The schedule of a class. A restore point is as old as its snapshot when the run that made it ends, so the interval
    /// leaves room for the run: at most RPO − expected duration, and for a class without continuous capture whose RPO
    /// is 15 minutes or less, at most RPO / 2. Cron divides hours and days evenly only by their divisors: the largest that fits.
    /// </summary>
    /// <param name="protection">The class.</param>
    /// <param name="expectedDuration">Measured duration of a run, or null while none has been measured (a tenth of the RPO is assumed).</param>
    /// <param name="spread">Any number that differs between sources, so that they do not all start in the same minute.</param>
    /// <param name="isContinuous">
    /// True where the source's WAL is received: that keeps the RPO, and base backups only shorten the replay.
    /// </param>
    public static BackupSchedule For(ProtectionClass protection, TimeSpan? expectedDuration, int spread, bool isContinuous = false)
    {
        if (isContinuous && protection.Rpo < BaseInterval)
        {
            return Rounded(protection, BaseInterval, spread, "; between base backups its WAL is received continuously");
        }

        var room = protection.Rpo - (expectedDuration ?? protection.Rpo / 10);
        if (room < protection.Rpo / 4)
        {
            // The run takes most of the RPO, or more: starting ever more often would not keep the promise, only load the server.
            return Rounded(protection, protection.Rpo / 2, spread, " (the run itself takes so long that this RPO can hardly be kept)");
        }

        var longest = protection.Rpo <= TimeSpan.FromMinutes(15) ? Min(protection.Rpo / 2, room) : room;
        return Rounded(protection, longest, spread, "");
    }

    /// <summary>The cron expression of the longest even interval that is not longer than the one asked for.</summary>
    /// <param name="longest">A minute or more.</param>
    /// <param name="spread">As for <see cref="For"/>.</param>
    public static string Every(TimeSpan longest, int spread) => Even(longest, spread).Cron;

    private static BackupSchedule Rounded(ProtectionClass protection, TimeSpan longest, int spread, string remark)
    {
        var (cron, interval, often) = Even(longest, spread);
        return new BackupSchedule(cron, interval, Why(protection, often, remark));
    }

    private static (string Cron, TimeSpan Interval, string Often) Even(TimeSpan longest, int spread)
    {
        var minute = Math.Abs(spread % 50);
        if (longest >= TimeSpan.FromDays(4))
        {
            return (Format($"{minute} 2 * * 1,4"), TimeSpan.FromDays(4), "twice a week");
        }

        if (longest >= TimeSpan.FromHours(1))
        {
            var hours = HourSteps.First(step => TimeSpan.FromHours(step) <= longest);
            var field = hours == 24 ? "2" : hours == 1 ? "*" : $"*/{hours}";
            return (Format($"{minute} {field} * * *"), TimeSpan.FromHours(hours), hours == 24 ? "daily" : $"every {hours} h");
        }

        var minutes = MinuteSteps.FirstOrDefault(step => TimeSpan.FromMinutes(step) <= longest, 1);
        var start = Math.Abs(spread % minutes);
        var expression = minutes == 1 ? "* * * * *" : start == 0 ? $"*/{minutes} * * * *" : $"{start}-59/{minutes} * * * *";
        return (expression, TimeSpan.FromMinutes(minutes), $"every {minutes} min");
    }

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private static string Format(FormattableString expression) => expression.ToString(CultureInfo.InvariantCulture);

    private static string Why(ProtectionClass protection, string often, string remark) =>
        string.Create(CultureInfo.InvariantCulture, $"{often}: an RPO of {protection.Rpo:c} less the time of the run itself{remark}");
}
