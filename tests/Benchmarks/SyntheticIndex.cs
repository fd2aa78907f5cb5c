using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>
/// A repository that claims to hold 1 TiB: real index segments over packs that are nothing but holes of the right length.
/// A command must load all of the index before it can store its first chunk.
/// </summary>
internal static class SyntheticIndex
{
    private const long Total = 1L << 40;

    public static async Task MeasureAsync(string folder, BenchmarkPlan plan, ResultTable table, CancellationToken ct)
    {
        foreach (var (label, chunk) in ((string, int)[])[("1 TiB in chunks of 2 MiB", 2 << 20), ("1 TiB in chunks of 256 KiB", 256 << 10)])
        {
            await ProcessMeter.RunAsync(Invocation.Shell($"rm -rf '{folder}' && mkdir -p '{folder}/tree' && echo text > '{folder}/tree/file'", "/"), ct);
            await File.WriteAllTextAsync(Path.Combine(folder, "passphrase"), "benchmark\n", ct);
            var url = $"file://{folder}/repository";
            var entries = await MakeAsync(url, Path.Combine(folder, "passphrase"), (long)(Total * plan.Scale), chunk, ct);
            table.Describe(label, new TreeFacts(entries, (long)(Total * plan.Scale)));
            string[] store = ["--store", url, "--key-file", Path.Combine(folder, "passphrase")];
            for (var round = 0; round < plan.Repetitions; round++)
            {
                table.Add(label, "list", "drconsole", await ProcessMeter.RunAsync(new Invocation(plan.Program, ["repository", "list", .. store], folder), ct));
                table.Add(label, "backup of one file", "drconsole", await ProcessMeter.RunAsync(new Invocation(plan.Program, ["repository", "backup", "tree", .. store], folder), ct));
            }
        }

        Directory.Delete(folder, recursive: true);
    }

    private static async Task<int> MakeAsync(string url, string keyFile, long total, int chunk, CancellationToken ct)
    {
        await using var store = StoreUrl.Parse(url).Open();
        using var key = await RepositoryKey.FromFileAsync(keyFile, ct);
        await using var repository = await BackupRepository.InitializeAsync(store, key, null, ct);
        var perPack = RepositoryFormat.PackTargetLength / chunk;
        var packs = (int)(total / RepositoryFormat.PackTargetLength);
        var (described, entries) = (new List<IndexedPack>(), new List<BlobLocation>());
        var id = new byte[32];
        for (var number = 0; number < packs; number++)
        {
            RandomNumberGenerator.Fill(id);
            var pack = new IndexedPack(number, Convert.ToHexStringLower(id), PackKind.Data, RepositoryFormat.PackTargetLength);
            var path = Path.Combine(new Uri(url).LocalPath, PackBuilder.KeyOf(pack.Name));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
            {
                RandomAccess.SetLength(file, pack.Length);
            }

            described.Add(pack);
            for (var row = 0; row < perPack; row++)
            {
                RandomNumberGenerator.Fill(id);
                entries.Add(new BlobLocation(new ChunkId(id), ObjectType.Stream, number, (uint)(row * chunk), (uint)chunk, (uint)chunk));
            }
        }

        await repository.Parts.Index.WriteSegmentsAsync(described, entries, ct);
        return entries.Count;
    }
}
