using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>
/// A repository that was written once and stays readable for ever. If a test here fails, the code is wrong, not the
/// repository: it must never be made anew to please a change. Another version of the format gets another golden repository.
/// </summary>
public sealed class GoldenRepositoryTests
{
    private static readonly DateTimeOffset TakenAt = new(2026, 11, 24, 8, 0, 0, TimeSpan.Zero);

    private static string Folder([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Golden");

    [Fact]
    public async Task Golden_repository_lists_checks_and_restores()
    {
        using var key = await RepositoryKey.FromFileAsync(Path.Combine(Folder(), "passphrase"), Ct);
        await using var store = new FileSystemStore(Path.Combine(Folder(), "store"));
        await using var repository = await BackupRepository.OpenAsync(store, key, null, Ct);

        var manifest = Assert.Single((await repository.ListAsync(Ct)).Points);
        Assert.Equal(("golden", "files", TakenAt), (manifest.Source, manifest.Kind, manifest.CreatedAt));
        Assert.Equal("42", manifest.Properties["answer"]);
        Assert.Equal(3, manifest.Facts!.Value.GetProperty("rows").GetInt32());

        var report = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(report.IsSound, string.Join("; ", report.Damaged));
        Assert.Empty(report.Notes);
        Assert.Equal(manifest.Id, Assert.Single(await repository.ListAttestationsAsync("validation", Ct)).RestorePoint);

        AssertSame("a stream of bytes\n"u8.ToArray(), await repository.ReadAsync(manifest, "stream"));
        AssertSame(new byte[9_000_000], await repository.ReadAsync(manifest, "zeros"));
        Assert.Empty(await repository.ReadAsync(manifest, "empty"));
        using var folder = new TemporaryFolder();
        await repository.RestoreTreeAsync(manifest, "tree", folder.Combine("tree"), null, Ct);
        Assert.Equal("hello\n", await File.ReadAllTextAsync(folder.Combine("tree", "dir", "hello.txt"), Ct));
        Assert.Equal("dir/hello.txt", File.ResolveLinkTarget(folder.Combine("tree", "link"), false)!.FullName[(folder.Combine("tree").Length + 1)..]);
        Assert.Equal(5_000_000, new FileInfo(folder.Combine("tree", "sparse")).Length);
        Assert.Equal(TakenAt, File.GetLastWriteTimeUtc(folder.Combine("tree", "dir", "hello.txt")));
    }

    [Fact]
    public async Task Golden_repository_files_are_the_committed_ones()
    {
        var digests = Directory.EnumerateFiles(Path.Combine(Folder(), "store"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}  {Path.GetRelativePath(Folder(), path)}");
        Assert.Equal(await File.ReadAllLinesAsync(Path.Combine(Folder(), "SHA256SUMS"), Ct), digests);
    }

    /// <summary>How it was made. Runs only when asked for by name, and refuses to replace what is there.</summary>
    [Fact(Explicit = true)]
    public async Task Make_the_golden_repository()
    {
        Assert.False(Directory.Exists(Folder()), "the golden repository exists and is never made anew");
        using var folder = new TemporaryFolder();
        File.SetLastWriteTimeUtc(folder.Write("tree/dir/hello.txt", "hello\n"u8.ToArray()), TakenAt.UtcDateTime);
        File.CreateSymbolicLink(folder.Combine("tree", "link"), "dir/hello.txt");
        using (var sparse = File.OpenHandle(folder.Combine("tree", "sparse"), FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(sparse, "data"u8, 2_000_000);
            RandomAccess.SetLength(sparse, 5_000_000);
        }

        Directory.CreateDirectory(Folder());
        await File.WriteAllTextAsync(Path.Combine(Folder(), "passphrase"), "the golden passphrase\n", Ct);
        using var key = await RepositoryKey.FromFileAsync(Path.Combine(Folder(), "passphrase"), Ct);
        await using var store = new FileSystemStore(Path.Combine(Folder(), "store"));
        await using var repository = await BackupRepository.InitializeAsync(store, key, null, Ct);
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "golden", Kind = "files", Workspace = "w", CreatedAt = TakenAt }, Ct);
        await session.WriteStreamAsync("stream", "test", new MemoryStream("a stream of bytes\n"u8.ToArray()), null, Ct);
        await session.WriteStreamAsync("zeros", "test", new MemoryStream(new byte[9_000_000]), null, Ct);
        await session.WriteStreamAsync("empty", "test", new MemoryStream(), null, Ct);
        await session.WriteTreeAsync("tree", [folder.Combine("tree")], new TreeOptions(), null, Ct);
        var manifest = await session.CommitAsync(
            JsonSerializer.SerializeToElement(new { rows = 3 }), new Dictionary<string, string> { ["answer"] = "42" }, Ct);
        await repository.WriteAttestationAsync("validation", manifest.Id, JsonSerializer.SerializeToElement(new { passed = true }), Ct);
    }
}
