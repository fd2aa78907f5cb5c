using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>What an open repository is made of.</summary>
internal sealed class RepositoryParts(IObjectStore store, KeyRing keys, RepositoryOptions options) : IDisposable
{
    public IObjectStore Store { get; } = store;

    public KeyRing Keys { get; } = keys;

    public RepositoryOptions Options { get; } = options;

    public IndexStore Index { get; } = new(keys, store);

    public ManifestStore Manifests { get; } = new(keys, store);

    public SessionStore Sessions { get; } = new(keys, store);

    public AttestationStore Attestations { get; } = new(keys, store, options.Time);

    public BlobReader Blobs => field ??= new BlobReader(Keys, Store, Index);

    public ContentReader Contents => field ??= new ContentReader(Blobs, Keys.IdentityOf, Options.Workers);

    /// <summary>Reads an artifact's bytes in order and compares their SHA-256 with the manifest's.</summary>
    public async Task ReadHashedAsync(StoredArtifact artifact, ObjectType type, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await Contents.ReadAsync(
            artifact.Root.ToContentRoot(), type,
            bytes =>
            {
                hash.AppendData(bytes.Span);
                return sink(bytes);
            },
            ct);
        if (Convert.ToHexStringLower(hash.GetHashAndReset()) != artifact.Sha256)
        {
            throw new EngineException(
                "artifact-digest", ErrorKind.Damaged, $"artifact '{artifact.Name}' has another SHA-256 than its manifest says",
                "do not use what was restored; take another restore point or tier");
        }
    }

    /// <summary>The same repository with an index that is read anew, so that a check believes nothing that it did not read.</summary>
    public RepositoryParts Fresh() => new(Store, Keys.Copy(Store), Options);

    public void Dispose()
    {
        Index.Dispose();
        Keys.Dispose();
    }
}
