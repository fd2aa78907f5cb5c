namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>From how many rounds on something is believed.</summary>
public sealed record HealthThresholds
{
    /// <summary>Misses in a row that raise suspicion.</summary>
    public int SuspectAfter { get; init; } = 2;

    /// <summary>Misses in a row that confirm it, where enough kinds of probe agree.</summary>
    public int ConfirmAfter { get; init; } = 4;

    /// <summary>How many kinds of probe have to agree.</summary>
    public int KindsToConfirm { get; init; } = 2;

    /// <summary>Good rounds in a row that end it.</summary>
    public int HealthyAfter { get; init; } = 6;

    /// <summary>Rounds with a sign of corruption that confirm it; two kinds of probe confirm it at once.</summary>
    public int CorruptAfter { get; init; } = 2;

    /// <summary>Places that went silent within so many rounds of each other went at once.</summary>
    public int AtOnceRounds { get; init; } = 2;
}

/// <summary>How the estate's health is watched.</summary>
public sealed record HealthSettings
{
    public static HealthSettings Default { get; } = new();

    /// <summary>From the beginning of one round to the beginning of the next.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The wait after a round that failed itself: one that could not be written down, say.</summary>
    public TimeSpan ErrorInterval { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long one probe may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How many probes run side by side.</summary>
    public int Parallel { get; init; } = 16;

    /// <summary>Less free space than this share of a data directory's disk is trouble.</summary>
    public int MinimumFreePercent { get; init; } = 5;

    /// <summary>How often one B-tree index of each PostgreSQL source is checked by amcheck; null for never.</summary>
    public TimeSpan? AmcheckEvery { get; init; }

    public HealthThresholds Thresholds { get; init; } = new();
}

/// <summary>Reads the configuration's <c>Health</c>.</summary>
internal static class HealthConfiguration
{
    /// <summary>The settings; every mistake is reported to the reader.</summary>
    public static HealthSettings Read(ConfigurationReader root)
    {
        var health = root.Section("Health");
        health.AllowOnly("Interval", "ErrorInterval", "Timeout", "Parallel", "MinimumFreePercent", "AmcheckEvery", "Thresholds");
        var usual = HealthSettings.Default;
        var read = new HealthSettings
        {
            Interval = health.Duration("Interval", usual.Interval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            ErrorInterval = health.Duration("ErrorInterval", usual.ErrorInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            Timeout = health.Duration("Timeout", usual.Timeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5)),
            Parallel = health.Number("Parallel", usual.Parallel, 1, 256),
            MinimumFreePercent = health.Number("MinimumFreePercent", usual.MinimumFreePercent, 0, 50),
            AmcheckEvery = health.Text("AmcheckEvery") is null ? null : health.Duration("AmcheckEvery", TimeSpan.FromHours(1), TimeSpan.FromMinutes(1), TimeSpan.FromDays(30)),
            Thresholds = ReadThresholds(health.Section("Thresholds")),
        };
        if (read.Timeout > read.Interval)
        {
            health.Problem("Timeout", "is longer than Interval: a round would last into the next");
        }

        return read;
    }

    private static HealthThresholds ReadThresholds(ConfigurationReader thresholds)
    {
        thresholds.AllowOnly("SuspectAfter", "ConfirmAfter", "KindsToConfirm", "HealthyAfter", "CorruptAfter", "AtOnceRounds");
        var usual = new HealthThresholds();
        var read = new HealthThresholds
        {
            SuspectAfter = thresholds.Number("SuspectAfter", usual.SuspectAfter, 1, 1000),
            ConfirmAfter = thresholds.Number("ConfirmAfter", usual.ConfirmAfter, 2, 1000),
            KindsToConfirm = thresholds.Number("KindsToConfirm", usual.KindsToConfirm, 1, 3),
            HealthyAfter = thresholds.Number("HealthyAfter", usual.HealthyAfter, 1, 1000),
            CorruptAfter = thresholds.Number("CorruptAfter", usual.CorruptAfter, 1, 1000),
            AtOnceRounds = thresholds.Number("AtOnceRounds", usual.AtOnceRounds, 0, 100),
        };
        if (read.ConfirmAfter < read.SuspectAfter)
        {
            thresholds.Problem("ConfirmAfter", $"is below SuspectAfter ({read.SuspectAfter}); nothing is confirmed before it is suspected");
        }

        return read;
    }
}
