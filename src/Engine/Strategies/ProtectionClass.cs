namespace Hexabase.DrConsole.Engine.Strategies;

/// <summary>How many restore points of each rung a class keeps.</summary>
/// <param name="KeepAllHours">Points younger than this many hours are all kept.</param>
public sealed record RetentionPolicy(int Hourly, int Daily, int Weekly, int Monthly, int Yearly, int KeepAllHours = RetentionPolicy.DefaultKeepAllHours)
{
    /// <summary>
    /// For sources whose WAL is received: so many days back every moment stays in reach. The base backup that this begins with is
    /// kept, and WAL before it is given up.
    /// </summary>
    public int PointInTimeDays { get; init; } = DefaultPointInTimeDays;

    /// <summary>Of every class but critical.</summary>
    public const int DefaultPointInTimeDays = 3;

    /// <summary>Long enough that a point which a page has just shown is still there when somebody restores it.</summary>
    public const int DefaultKeepAllHours = 2;

    /// <summary>True where the ladder has no slot at all.</summary>
    public bool KeepsNothing => this is { Hourly: 0, Daily: 0, Weekly: 0, Monthly: 0, Yearly: 0 };
}

/// <summary>What a class of sources is promised.</summary>
/// <param name="Name">critical, important, standard, archive, or the operators' own.</param>
/// <param name="Rto">Recovery must be done within this.</param>
/// <param name="Rpo">No more than this much work may be lost.</param>
/// <param name="Retention">The ladder that decides what is kept.</param>
/// <param name="TierDays">Days each tier keeps at most, by tier name.</param>
/// <param name="MinimumTiers">A restore point counts only when so many tiers hold it.</param>
/// <param name="ProofDays">A proof holds for so long, then it is stale.</param>
/// <param name="DrillDays">Each recovery plan of its sources is drilled so often; 0 for never by itself.</param>
/// <param name="RotationDays">The workspace's keys are rotated so often; 0 for never. Everything is encrypted in any case.</param>
public sealed record ProtectionClass(
    string Name, TimeSpan Rto, TimeSpan Rpo, RetentionPolicy Retention, IReadOnlyDictionary<string, int> TierDays, int MinimumTiers, int ProofDays,
    int RotationDays = ProtectionClass.DefaultRotationDays, int DrillDays = ProtectionClass.DefaultDrillDays)
{
    /// <summary>Of a class that says nothing.</summary>
    public const int DefaultDrillDays = 30;

    /// <summary>What platforms of this kind ask for.</summary>
    public const int DefaultRotationDays = 90;

    /// <summary>How hard new content of its sources is compressed.</summary>
    public Compression Compression { get; init; }

    /// <summary>How long a proof of this class holds.</summary>
    public TimeSpan ProofLifetime => TimeSpan.FromDays(ProofDays);

    /// <summary>The four classes that exist without any configuration.</summary>
    public static IReadOnlyDictionary<string, ProtectionClass> Defaults { get; } = new[]
    {
        new ProtectionClass("critical", TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(5), new RetentionPolicy(24, 30, 12, 12, 7) { PointInTimeDays = 7 }, Days(7, 90, 2555), 2, 7, DrillDays: 7),
        new ProtectionClass("important", TimeSpan.FromHours(4), TimeSpan.FromHours(1), new RetentionPolicy(24, 14, 8, 6, 0), Days(3, 60, 730), 1, 14),
        new ProtectionClass("standard", TimeSpan.FromHours(24), TimeSpan.FromHours(24), new RetentionPolicy(0, 14, 8, 3, 0), Days(2, 30, 365), 1, 30, DrillDays: 90),
        new ProtectionClass("archive", TimeSpan.FromHours(72), TimeSpan.FromDays(7), new RetentionPolicy(0, 0, 8, 12, 7), Days(null, 30, 2555), 1, 90, DrillDays: 180),
    }.ToDictionary(one => one.Name);

    private static Dictionary<string, int> Days(int? hot, int? warm, int? cold) =>
        new (string Tier, int? Days)[] { ("hot", hot), ("warm", warm), ("cold", cold) }
            .Where(pair => pair.Days is not null)
            .ToDictionary(pair => pair.Tier, pair => pair.Days!.Value);
}
