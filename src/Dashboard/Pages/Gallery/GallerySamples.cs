using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Pages.Gallery;

/// <summary>Invented figures for the gallery.</summary>
internal sealed class GallerySamples(DateTimeOffset now, GalleryKinds kinds)
{
    public const string Title = "Yes for 4 of 9 sources, proven by a restore. 5 need a look.";
    public const string Question = "Can we recover now?";
    public const string PointName = "orders, Tue 24 Nov 02:00";
    public const string RunSummary = "run V-2291 on tokyo-2, ended 02:28:43";
    public const string NotCompared = "Step 5 did not run, so nothing was restored to compare with the 14 tables counted at the source.";
    public const string EmptyWhy = "No source is declared yet.";
    public const string EmptyThen = "Declare one in appsettings.json under DrConsole:Sources, then start the console again.";

    private static readonly TierMark[] AllReadBack =
        [new("hot", Status.ReadBack, "6d ago"), new("warm", Status.ReadBack), new("cold", Status.Behind, "14m")];

    private static readonly TierMark[] TwoReadBack = [new("hot", Status.ReadBack), new("warm", Status.ReadBack), new("cold", Status.NotKept)];

    public static EngineException Fault { get; } = new(
        "pack-damaged", ErrorKind.Damaged, "pack d81f03aa of tier hot is 61,440 of 65,536 bytes long",
        "repair it from tier warm: drconsole repository copy --from warm --to hot");

    public static IReadOnlyList<Crumb> Crumbs { get; } = [new("Points", "/restore-points"), new("shop", "/sources"), new("orders", "/sources/orders"), new("4f19c2")];

    public static IReadOnlyList<Figure> Strip { get; } =
    [
        new("Made", "02:00:04", "from db-1, read only", Status.Done),
        new("Committed", "02:05:58", "manifest stored in hot", Status.Done),
        new("Read back", "failed 01:09:18", "step 3, Compression", Status.Failed, Status.Failed),
        new("Restored", "never", "step 5 not run", Status.NotRun, Status.NotRun),
        new("Proof holds until", "24 Dec 02:28", "or until the class changes", Status.Passed),
    ];

    public static IReadOnlyList<NamedFact> Facts { get; } =
        [new("Waits to be copied", "2.1 GB, 38 points"), new("Last write", "14m 20s ago"), new("Last read back", "5h ago, 0 damaged")];

    public static IReadOnlyList<ContentFactModel> Contents { get; } =
    [
        new("orders", 118_204_331, 118_204_331, "9c41e07a11", "9c41e07a11"),
        new("order_lines", 402_118_960, 402_118_959, "1f8820cd11", "a18820cd11"),
        new("payments", 96_340_117, null, "77b2a91311", null),
    ];

    public static FlowGraphModel Graph { get; } = new(
        "1 of 6 flows fails, 2 move now.",
        [new("Sources", "4 in 2 workspaces"), new("Engine", "3 running, 2 queued"), new("Storage tiers", "13.2 TB, 12,311 points")],
        [
            new("orders", 0, "orders", "38s ago, 12 MB", IconShape.Postgres, Status.Proven) { Group = "shop", Href = "/sources/orders" },
            new("cache", 0, "cache", "22m ago, 41 MB", IconShape.Redis, Status.Running) { Group = "shop", Href = "/sources/cache" },
            new("events", 0, "events", "1h 47m ago, 2 runs failed", IconShape.Postgres, Status.Breached) { Group = "insight", Href = "/sources/events" },
            new("features", 0, "features", "3h 12m ago, 2 MB", IconShape.Redis, Status.Unproven) { Group = "insight", Href = "/sources/features" },
            new("coordinator", 1, "Backups", "3 running, 2 queued", IconShape.Engine, Status.Running) { Facts = [new("waits longest", "4s"), new("failed, 24h", "2 events")] },
            new("validator", 1, "Validation", "last proof 41m ago", IconShape.Validator, Status.Answers) { Facts = [new("step 5 passed, 24h", "96")] },
            new("hot", 2, "Local storage", "hot, SSD", IconShape.TierHot, Status.ReadBack) { Used = 0.7, Facts = [new("1.84 of 2.60 TB", "41d")] },
            new("warm", 2, "Object storage", "warm, tokyo", IconShape.TierWarm, Status.Failed) { Used = 0.38 },
        ],
        [
            new("orders", "coordinator", FlowState.Live, null, null, 900_000_000),
            new("cache", "coordinator", FlowState.Idle, null, null, 40_000_000),
            new("events", "coordinator", FlowState.Failing, null, null, 10_000_000),
            new("features", "coordinator", FlowState.Paused),
            new("coordinator", "validator", FlowState.Idle, "41m ago", "164 GB in 24h", 300_000_000),
            new("coordinator", "hot", FlowState.Live, "2s ago", "1.9 MB/s", 900_000_000),
            new("validator", "warm", FlowState.Failing, "failing", "14m 13s, 6 tries", 100_000_000),
        ]);

    public IReadOnlyList<SourceRow> Sources =>
    [
        new("shop", "orders", "PostgreSQL, critical", IconShape.Postgres, "/sources/orders", Status.Running, "Step 3 of 5. Last proof 44m ago",
            new(T(186), T(300), Measure.Measured, "loss fixed when stopped, 03:05:14"), T(900), Drills(776, DrillOutcome.Forecast), "forecast; drill D-317 took 12m 58s", AllReadBack) { Word = "Recovering" },
        new("shop", "cache", "Redis, important", IconShape.Redis, "/sources/cache", Status.Proven, "D-318",
            new(T(1338), T(3600), Measure.Measured, "newest point read back 02:50:26"), T(14400), Drills(6800), "measured 6h ago, D-318", TwoReadBack) { ProvenAt = now.AddHours(-6), ProofLeft = 0.9, Content = kinds.Redis },
        new("platform", "tenant-b", "vCluster, critical", IconShape.VCluster, "/sources/tenant-b", Status.Degraded, "Volume data-kafka-2 is not in the point",
            new(T(122), T(300), Measure.Measured, "13 of 14 volumes, 52s ago"), T(900), [.. Drills(600), new(T(0), DrillOutcome.Failed), new(T(700))], "measured 3h ago without it, D-320", AllReadBack),
        new("insight", "events", "PostgreSQL, important", IconShape.Postgres, "/sources/events", Status.Breached, "Restorable, but 1h 47m would be lost",
            new(T(6420), T(3600), Measure.Measured, "last 2 runs failed: lock time-out"), T(14400), Drills(4320), "measured 4d ago, D-288", TwoReadBack) { Word = "RPO breached" },
        new("insight", "features", "Redis, standard", IconShape.Redis, "/sources/features", Status.Unproven, "Never restored. First drill Wed 02:00",
            new(T(11520), T(86400), Measure.Estimated, "stored, not read back"), T(86400), [], "plan guesses 5m", [new("hot", Status.Stored), new("warm", Status.Stored), new("cold", Status.NotKept)]),
        new("insight", "ledger-2019", "Volume, archive", IconShape.Volume, "/sources/ledger-2019", Status.Stale, "Last restored 41d ago; proof holds 30d",
            new(T(273_600), T(604_800), Measure.Measured, "newest point read back Fri 23:10"), T(259_200), Drills(19_200), "measured 41d ago, D-104", [new("hot", Status.NotKept), new("warm", Status.ReadBack), new("cold", Status.Damaged)]) { Content = kinds.Volume },
        new("insight", "fresh", "PostgreSQL, standard", IconShape.Postgres, "/sources/fresh", Status.NotRun, "No backup yet. First run today 04:00",
            new(null, T(86400), Measure.None, "no point yet"), T(86400), [], "no point yet", [new("hot", Status.NotKept)]),
    ];

    public IReadOnlyList<HexCell> Cells => [.. Sources.Select(row => new HexCell(row.Workspace, row.Name, row.Status, row.Href))];

    public IReadOnlyList<TierCardModel> Tiers { get; } =
    [
        new("Hot", "local SSD", IconShape.TierHot, Status.ReadBack, "Read back within 6d", 1_840_000_000_000, 2_600_000_000_000, 312_000_000_000, "Full in 41d at 18 GB a day", "2,214 points, 0 damaged. Last write 2s ago"),
        new("Warm", "object storage, tokyo", IconShape.TierWarm, Status.Stored, "Stored, not read", 11_400_000_000_000, null, null, null, "9,870 points, 1 repaired. Last write 4s ago"),
        new("Cold", "remote site, osaka", IconShape.TierCold, Status.Failed, "Failing since 02:58:31", 12_000_000_000_000, 54_600_000_000_000, 1_000_000_000_000, null, "SSH: connection refused, 6 tries, next in 48s"),
    ];

    public IReadOnlyList<RunProgressModel> Progress =>
    [
        new("Restore from backup", 318_600_000_000, 404_200_000_000, 9, 14, 812_000_000, T(105), false, now.AddSeconds(-1)),
        new("Dump", 88_000_000, 300_000_000, 12, null, 61_000_000, T(4), true, now.AddSeconds(-9)),
        new("Read", 88_000_000, null, 12, null, null, null, false, now.AddSeconds(-40)),
    ];

    public IReadOnlyList<IReadOnlyList<ValidationStepModel>> Validations =>
    [
        Steps(5, Status.Passed), Steps(3, Status.Failed), Steps(5, Status.Running), [],
    ];

    public IReadOnlyList<LogLine> Log => [.. Enumerable.Range(1200, 84).Select(number => new LogLine(
        number, now.AddSeconds(number - 1283), number % 5 == 0 ? "engine" : "fetch",
        number % 5 == 0 ? "lease renewed, fence 7, holder tokyo-1" : $"base/16384/{number} 1,024 MiB written, 131,072 pages, 0 checksum faults",
        number switch { 1279 => LogLineLevel.Warning, 1281 => LogLineLevel.Error, _ => LogLineLevel.Plain }))];

    private static TimeSpan T(double seconds) => TimeSpan.FromSeconds(seconds);

    private static List<DrillColumn> Drills(double last, DrillOutcome outcome = DrillOutcome.Measured)
        => [.. Enumerable.Range(0, 6).Select(index => new DrillColumn(T(last * (0.75 + (index * 0.04))))), new(T(last), outcome)];

    private List<ValidationStepModel> Steps(int reached, Status there)
    {
        (string Name, string How, string Found)[] steps =
        [
            ("File integrity", "every pack re-read, SHA-256 and length", "1,893 packs, 118.6 GB"),
            ("Encryption", "every tag checked, key 3 of 3", "9,412,008 chunks open"),
            ("Compression", "every frame unpacked, sizes compared", "404.2 GB out, as recorded"),
            ("Content structure", "backup_manifest, page checksums, amcheck", "51.7 M pages, 0 faults"),
            ("Restorability", "started in scratch, replayed, contents compared", "14 of 14 tables equal"),
        ];
        return [.. steps.Select((step, index) => (index + 1).CompareTo(reached) switch
        {
            < 0 => new ValidationStepModel(index + 1, step.Name, step.How, Status.Passed, step.Found, now.AddMinutes(index - 20), T(151 + index)),
            0 => new ValidationStepModel(index + 1, step.Name, step.How, there, there == Status.Failed ? "frame 212 of pack d81f03aa: 61,440 of 65,536 bytes" : step.Found, now.AddMinutes(index - 20), T(41)),
            _ => new ValidationStepModel(index + 1, step.Name, step.How, Status.NotRun, $"because step {reached} failed", null, null),
        })];
    }
}
