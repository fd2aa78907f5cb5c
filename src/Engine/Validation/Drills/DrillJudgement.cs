using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Validation.Drills;

/// <summary>How a drill ended, as the catalog writes it.</summary>
public static class DrillOutcomes
{
    /// <summary>The copy is of the moment that was asked for, and whole.</summary>
    public const string Passed = "passed";

    /// <summary>It is not, or it could not be recovered.</summary>
    public const string Failed = "failed";

    /// <summary>Nothing is known to be wrong, but this machine cannot show it.</summary>
    public const string NotProvable = "not_provable";
}

/// <summary>
/// Whether a recovered copy is of the moment that was asked for: nothing in it is younger, and the newest heartbeat is no older
/// than one interval and the slack that was measured when it was late.
/// </summary>
internal static class DrillJudgement
{
    /// <summary>Judges.</summary>
    /// <param name="moment">What was asked for.</param>
    /// <param name="found">What stands in the copy.</param>
    /// <param name="hasHeartbeat">True where the source is to have a heartbeat.</param>
    /// <param name="lapse">Where no heartbeat was written around the moment: the last one before that, or the Unix epoch where there was none before.</param>
    public static (string Outcome, string Reason) Judge(DateTimeOffset moment, RecoveredMoment found, bool hasHeartbeat, DateTimeOffset? lapse)
    {
        if (found.Damage is { } damage)
        {
            return (DrillOutcomes.Failed, $"the recovered cluster is damaged: {Shorten(damage)}");
        }

        if (found.LastCommit > moment)
        {
            return (DrillOutcomes.Failed, $"the copy holds a commit of {Text(found.LastCommit.Value)}, which is after the moment");
        }

        if (found.NextCommit <= moment)
        {
            return (DrillOutcomes.Failed, $"replay stopped before a commit of {Text(found.NextCommit.Value)}, which belongs into the copy");
        }

        return !hasHeartbeat ? (DrillOutcomes.Passed, $"no heartbeat is configured, so the copy is judged by its commits: {Commits(found)}")
            : lapse == DateTimeOffset.UnixEpoch ? (DrillOutcomes.Passed, $"no heartbeat was written yet at that moment, so the copy is judged by its commits: {Commits(found)}")
            : JudgeHeartbeat(moment, found, lapse);
    }

    private static (string Outcome, string Reason) JudgeHeartbeat(DateTimeOffset moment, RecoveredMoment found, DateTimeOffset? lapse)
    {
        if (found.Heartbeat is not { } beat)
        {
            return (DrillOutcomes.Failed, $"the copy has no heartbeat, though one was written before that moment; {Commits(found)}");
        }

        if (beat.At > moment)
        {
            return (DrillOutcomes.Failed, $"the newest heartbeat was written at {Text(beat.At)}, which is after the moment");
        }

        var age = moment - beat.At;
        var allowed = lapse is { } last ? moment - last : HeartbeatTable.LongestGap(beat.Every);
        return age <= allowed
            ? (DrillOutcomes.Passed, $"the newest heartbeat was written {Seconds(age)} before the moment{(lapse is null ? $", within {Seconds(allowed)}" : ", the last before a time in which none was written")}; {Commits(found)}")
            : (DrillOutcomes.Failed, $"the newest heartbeat was written {Seconds(age)} before the moment, and {Seconds(allowed)} is the longest that it may be: what was committed since is missing; {Commits(found)}");
    }

    private static string Commits(RecoveredMoment found) =>
        (found.LastCommit is { } last ? $"last commit in it {Text(last)}" : "no commit in it since its base backup")
        + (found.NextCommit is { } next ? $", the next {Text(next)}" : ", and no later one is stored: some up to the moment may be missing");

    private static string Text(DateTimeOffset time) => $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff} UTC";

    private static string Seconds(TimeSpan span) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s");

    private static string Shorten(string text)
    {
        const int MaxText = 600;
        return text.Length > MaxText ? text[..MaxText] : text;
    }
}
