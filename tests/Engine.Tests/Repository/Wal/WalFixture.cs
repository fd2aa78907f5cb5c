using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

/// <summary>The vocabulary of the WAL archive's tests: a cluster with the smallest segments that there are.</summary>
internal static class WalFixture
{
    public const int SegmentBytes = 1 << 20;
    public const ulong Cluster = 7_400_000_000_000_000_001;

    public static ulong At(int segment, int offset = 0) => ((ulong)segment * SegmentBytes) + (ulong)offset;

    /// <summary>What a segment of a timeline holds: the first bytes differ everywhere, the rest compresses.</summary>
    public static byte[] Segment(int segment, int seed = 0)
    {
        var bytes = new byte[SegmentBytes];
        Noise(4096, (segment * 1000) + seed + 1).CopyTo(bytes, 0);
        Noise(4096, (segment * 1000) + seed + 2).CopyTo(bytes, SegmentBytes / 2);
        bytes[^1] = (byte)(segment + seed);
        return bytes;
    }

    public static byte[] History(params (uint Timeline, ulong Lsn)[] switches) =>
        System.Text.Encoding.UTF8.GetBytes(string.Concat(switches.Select(one => $"{one.Timeline}\t{new Lsn(one.Lsn)}\tno recovery target specified\n\n")));

    public static async Task<WalArchive> OpenDescribedAsync(this BackupRepository repository, string source = "orders", ulong cluster = Cluster)
    {
        var archive = await repository.OpenWalAsync(source, cluster, Ct);
        await archive.DescribeAsync(SegmentBytes, 15, Ct);
        return archive;
    }

    public static Task<bool> StoreAsync(this WalArchive archive, int segment, uint timeline = 1, int seed = 0) =>
        archive.StoreSegmentAsync(timeline, (ulong)segment, Segment(segment, seed), Ct);

    public static Task<bool> StorePieceAsync(this WalArchive archive, int segment, int from, int to, uint timeline = 1, int seed = 0) =>
        archive.StorePieceAsync(timeline, (ulong)segment, from, Segment(segment, seed).AsMemory(from..to), Ct);

    public static async Task<(ulong Start, ulong End)[]> SpansAsync(this WalArchive archive, uint timeline = 1) =>
        [.. (await archive.CoverageAsync(Ct)).Timelines.Where(one => one.Timeline == timeline).SelectMany(one => one.Spans).Select(span => (span.StartLsn, span.EndLsn))];
}
