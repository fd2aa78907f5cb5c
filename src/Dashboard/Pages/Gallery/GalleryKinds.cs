using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Gallery;

/// <summary>Invented restore points of each kind for the gallery, in the words that pages use.</summary>
internal sealed class GalleryKinds(TimeProvider time)
{
    private readonly DateTimeOffset _now = time.GetUtcNow();

    public IReadOnlyList<string> Columns { get; } = KindWords.Of(SourceKind.Redis).CostColumns;

    public KindSheet Redis => RedisOf(new RedisCost(8_412, 6_400_000_000, 9_100_000_000, 212_000_000, 41, 5));

    public KindSheet Volume => KindWords.Of(SourceKind.Volume).Read(
        new PointContent(
            new VolumeFacts
            {
                Path = "claim shop/uploads", Volume = "pvc-7d21", ReadAt = "/var/lib/kubelet/pods/4c1e/mount", Form = VolumeFacts.DirectoryForm, Files = 1_204_118, Directories = 9_318, Bytes = 318_600_000_000,
                ContentBytes = 312_000_000_000, Since = "4f19c2", ChangedFiles = 812, ChangedBytes = 2_100_000_000, Unreadable = 3, ChangedWhileRead = 2, Node = "worker-1", SnapshotAt = _now,
                SnapshotClass = "csi-rbd", HeldStill = "fsfreeze", HeldSeconds = 1.2,
            }.ToJson(),
            318_600_000_000, 640_000_000), time);

    public IReadOnlyList<CostRow> Costs =>
    [
        new("4f19c2", "/restore-points/4f19c2", _now.AddMinutes(-2), TimeSpan.FromSeconds(44), Redis.Costs),
        new("4f19c1", "/restore-points/4f19c1", _now.AddMinutes(-4), TimeSpan.FromSeconds(49), RedisOf(new RedisCost(null, 6_300_000_000, 9_100_000_000, null, 46, 5)).Costs),
        new("4f19c0", "/restore-points/4f19c0", _now.AddDays(-40), TimeSpan.FromSeconds(40), []),
    ];

    private KindSheet RedisOf(RedisCost cost) => KindWords.Of(SourceKind.Redis).Read(
        new PointContent(
            new RedisFacts
            {
                Version = RedisFacts.CurrentVersion,
                Address = "10.0.0.7:6379",
                ServerVersion = "7.0.15",
                Role = "slave",
                RdbVersion = 10,
                TakenAt = _now,
                IsPointInTime = true,
                Databases = [Database(0, 9_412_008, 8_100_344), Database(3, 1_201, 0)],
                Functions = [],
                NeedsModules = false,
                Users = ["default", "backup"],
                Cost = cost,
            }.ToElement(),
            1_900_000_000, 88_000_000), time);

    private static RedisDatabaseFacts Database(int number, long keys, long expiring) =>
        new(number, keys, expiring, "", new Dictionary<string, long> { ["string"] = keys - 1_000, ["hash"] = 800, ["zset"] = 200 });
}
