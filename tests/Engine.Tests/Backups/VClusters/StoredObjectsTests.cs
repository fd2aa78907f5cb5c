using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Documents are found in their artifact by the index, and read by the chunks that hold them.</summary>
public sealed class StoredObjectsTests : IAsyncDisposable
{
    /// <summary>No chunk is longer; what is read beside it is lists and the pack's own overhead.</summary>
    private const int LongestChunk = 8 * 1024 * 1024;

    private readonly CrashStore _store = new();
    private List<CapturedObject> _index = [];

    [Fact]
    public async Task One_document_is_read_by_the_chunk_that_holds_it_and_not_by_its_artifact()
    {
        var manifest = await StoreAsync(documents: 450);
        var counted = new CountingStore(_store.Reopen());
        await using var repository = await OpenAsync(counted);
        var stored = new StoredObjects(repository, manifest);
        var one = (await stored.ReadIndexAsync(Ct))[300];
        // The repository's index of packs is read by the first read, whatever that is.
        counted.Read = 0;
        var found = Assert.Single(await stored.ReadAsync([one], Ct));

        Assert.Equal(one.Key, KubeObjectKey.Of(found.Document));
        var artifact = manifest.Artifacts.Single(artifact => artifact.Name == VClusterArtifacts.Resources);
        Assert.True(artifact.Length > 4 * LongestChunk, $"{artifact.Length} bytes are too few to tell");
        Assert.InRange(counted.Read, 1, 2 * LongestChunk);

        // All of them at once are still all of them.
        Assert.Equal(_index.Select(all => all.Key), (await stored.ReadAsync(_index, Ct)).Select(all => all.Object.Key));
    }

    [Fact]
    public async Task Damaged_chunk_takes_away_its_own_documents_and_no_others()
    {
        var manifest = await StoreAsync(documents: 450);
        var store = _store.Reopen();
        store.Damage(store.KeysOf("packs/").MaxBy(key => store.Objects[key].Length)!, pack =>
        {
            pack[pack.Length / 2] ^= 1;
            return pack;
        });
        var counted = new CountingStore(store);
        await using var repository = await OpenAsync(counted);
        var stored = new StoredObjects(repository, manifest);

        var read = await stored.ReadEachAsync(_index, Ct);

        Assert.Equal(_index.Count, read.Count);
        var (lost, whole) = (read.Where(one => one.Fault is not null).ToList(), read.Where(one => one.Document is not null).ToList());
        Assert.NotEmpty(lost);
        Assert.True(whole.Count > _index.Count / 2, $"{lost.Count} of {_index.Count} documents were lost with one chunk");
        Assert.All(lost, one => Assert.Equal(ErrorKind.Damaged, one.Fault!.Kind));

        // The damaged chunk is read for each of its documents and for each half of them; whole ones are not read once for each document
        // in them, but by halves, of which those beside the damaged one begin or end within a chunk.
        var artifact = manifest.Artifacts.Single(artifact => artifact.Name == VClusterArtifacts.Resources).Length;
        var document = artifact / _index.Count;
        var most = (4 * artifact) + (2 * (lost.Count + 2) * (lost.Count + 2) * document) + (10L * LongestChunk);
        Assert.True(counted.Read <= most, $"{counted.Read} bytes were read of an artifact of {artifact} where {lost.Count} documents are lost: at most {most}");
        await Assert.ThrowsAsync<EngineException>(() => stored.ReadAsync(_index, Ct));
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    /// <summary>A restore point with large ConfigMaps that do not compress.</summary>
    private async Task<Manifest> StoreAsync(int documents)
    {
        using var text = new MemoryStream();
        _index = [];
        for (var at = 0; at < documents; at++)
        {
            var value = (JsonObject)JsonNode.Parse($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c-{{at}}","namespace":"n"},"data":{"text":"{{Convert.ToBase64String(Noise(60_000, at))}}"} }""")!;
            var bytes = Encoding.UTF8.GetBytes(ObjectYaml.Write(value));
            _index.Add(new CapturedObject("v1", "ConfigMap", "n", $"c-{at}", "u", VClusterArtifacts.Resources, text.Length, bytes.Length, "d", false));
            text.Write(bytes);
        }

        text.Position = 0;
        await using var repository = await InitializeAsync(_store);
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct);
        await session.WriteStreamAsync(VClusterArtifacts.Resources, "kubernetes objects", text, null, Ct);
        var lines = string.Concat(_index.Select(one => JsonSerializer.Serialize(one, VClusterJson.Default.CapturedObject) + "\n"));
        await session.WriteStreamAsync(VClusterArtifacts.Index, "index of objects", new MemoryStream(Encoding.UTF8.GetBytes(lines)), null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }

    private sealed class CountingStore(IObjectStore inner) : IObjectStore
    {
        private long _read;

        /// <summary>Bytes that were asked for.</summary>
        public long Read
        {
            get => Interlocked.Read(ref _read);
            set => Interlocked.Exchange(ref _read, value);
        }

        public string Url => inner.Url;

        public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(key, content, cancellationToken);

        public Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            Interlocked.Add(ref _read, buffer.Length);
            return inner.ReadAsync(key, offset, buffer, cancellationToken);
        }

        public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
        {
            Interlocked.Add(ref _read, (await inner.StatAsync(key, cancellationToken))?.Length ?? 0);
            return await inner.OpenReadAsync(key, cancellationToken);
        }

        public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
