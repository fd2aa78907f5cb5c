using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

/// <summary>WAL that was written once and stays readable for ever; as <see cref="GoldenRepositoryTests"/>, never made anew.</summary>
public sealed class GoldenWalTests
{
    private static string Folder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Golden");

    [Fact]
    public async Task Golden_WAL_checks_and_comes_back()
    {
        using var key = await RepositoryKey.FromFileAsync(Path.Combine(Folder(), "passphrase"), Ct);
        await using var store = new FileSystemStore(Path.Combine(Folder(), "store"));
        await using var repository = await BackupRepository.OpenAsync(store, key, null, Ct);
        var report = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(report.IsSound, string.Join("; ", report.Damaged));
        Assert.Equal(3, report.WalObjectsRead);
        var stream = Assert.Single(await repository.ListWalAsync(Ct));
        Assert.Equal(("golden", Cluster, SegmentBytes, 15), (stream.Source, stream.SystemIdentifier, stream.SegmentBytes, stream.ServerMajor));

        var archive = await repository.OpenWalAsync("golden", Cluster, Ct);
        using var folder = new TemporaryFolder();
        var fetch = await archive.FetchAsync(2, At(1), null, folder.Path, null, Ct);
        Assert.Equal(["000000010000000000000001", "000000020000000000000002", "00000002.history"], fetch.Files);
        AssertSame(new byte[SegmentBytes], await File.ReadAllBytesAsync(folder.Combine(fetch.Files[0]), Ct));
        byte[] second = [.. "the first timeline, then the second"u8, .. new byte[SegmentBytes - 35]];
        AssertSame(second, await File.ReadAllBytesAsync(folder.Combine(fetch.Files[1]), Ct));
    }

    [Fact]
    public async Task Golden_files_are_the_committed_ones()
    {
        var digests = Directory.EnumerateFiles(Path.Combine(Folder(), "store"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}  {Path.GetRelativePath(Folder(), path)}");
        Assert.Equal(await File.ReadAllLinesAsync(Path.Combine(Folder(), "SHA256SUMS"), Ct), digests);
    }

    [Fact]
    public void Stream_and_digest_are_the_specification_s_vectors()
    {
        using var keys = new KeyRing(Guid.Parse("00112233445566778899aabbccddeeff"), [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        using var parts = new RepositoryParts(new FileSystemStore(Folder()), keys, Cheap);
        var wal = new WalStore(parts);
        Assert.Equal("8404f3ec38e5064708e2302345b866d1", wal.StreamOf("orders", 7400000000000000001));
        Assert.Equal("cee2898a22f4b523", wal.DigestOf("hello"u8));
    }

    /// <summary>How it was made. Runs only when asked for by name, and refuses to replace what is there.</summary>
    [Fact(Explicit = true)]
    public async Task Make_the_golden_WAL()
    {
        Assert.False(Directory.Exists(Folder()), "the golden WAL exists and is never made anew");
        Directory.CreateDirectory(Folder());
        await File.WriteAllTextAsync(Path.Combine(Folder(), "passphrase"), "the golden passphrase\n", Ct);
        using var key = await RepositoryKey.FromFileAsync(Path.Combine(Folder(), "passphrase"), Ct);
        await using var store = new FileSystemStore(Path.Combine(Folder(), "store"));
        await using var repository = await BackupRepository.InitializeAsync(store, key, null, Ct);
        var archive = await repository.OpenDescribedAsync("golden");
        await archive.StoreSegmentAsync(1, 1, new byte[SegmentBytes], Ct);
        await archive.StorePieceAsync(1, 2, 0, "the first timeline, "u8.ToArray(), Ct);
        await archive.StoreHistoryAsync(2, History((1, At(2, 20))), Ct);
        await archive.StorePieceAsync(2, 2, 20, "then the second"u8.ToArray(), Ct);
        await repository.ExpireWalAsync(archive.Stream, new Dictionary<uint, ulong> { [1] = At(1) }, Ct);
    }
}
