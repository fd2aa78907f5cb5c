using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>The vocabulary of the repository's tests.</summary>
internal static class RepositoryFixture
{
    /// <summary>The cheapest key derivation, since tests open repositories thousands of times.</summary>
    public static readonly RepositoryOptions Cheap = new() { KeyDerivation = new KeyDerivation(8, 1), Workers = 4 };

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static RepositoryKey Key => new("correct horse battery staple"u8);

    public static Task<BackupRepository> InitializeAsync(IObjectStore store, RepositoryOptions? options = null) =>
        BackupRepository.InitializeAsync(store, Key, options ?? Cheap, Ct);

    public static Task<BackupRepository> OpenAsync(IObjectStore store, RepositoryOptions? options = null) =>
        BackupRepository.OpenAsync(store, Key, options ?? Cheap, Ct);

    public static BackupDescription Describe(string source = "orders") => new() { Source = source, Kind = "postgres", Workspace = "shop" };

    /// <summary>Reproducible bytes that do not compress.</summary>
    public static byte[] Noise(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Makes a restore point with one stream artifact, <c>dump</c>.</summary>
    public static async Task<Manifest> BackupAsync(this BackupRepository repository, byte[] content, string source = "orders", JsonElement? facts = null)
    {
        await using var session = await repository.BeginAsync(Describe(source), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(content), null, Ct);
        return await session.CommitAsync(facts, null, Ct);
    }

    /// <summary>Compares large arrays fast.</summary>
    public static void AssertSame(byte[] expected, byte[] actual) =>
        Assert.True(expected.AsSpan().SequenceEqual(actual), $"{actual.Length} bytes differ from the {expected.Length} expected");

    public static async Task<byte[]> ReadAsync(this BackupRepository repository, Manifest manifest, string artifact = "dump")
    {
        var destination = new MemoryStream();
        await repository.ReadStreamAsync(manifest, artifact, destination, null, Ct);
        return destination.ToArray();
    }
}
