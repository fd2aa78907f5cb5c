using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// An open repository of format version 1 in a store: restore points of deduplicated, compressed, encrypted chunks.
/// Any number of processes may read and write one at the same time; there are no locks and no mutable objects.
/// The store is the caller's and is not disposed.
/// </summary>
public sealed partial class BackupRepository : IAsyncDisposable
{
    /// <summary>Code of the fault that a store holds no manifest of a restore point.</summary>
    public const string PointMissing = "restore-point-missing";

    private const string Latest = "latest";
    private readonly RepositoryParts _parts;

    private BackupRepository(RepositoryParts parts)
    {
        _parts = parts;
        Info = new RepositoryInfo(parts.Keys.RepositoryId, RepositoryFormat.Version, parts.Store.Url);
    }

    /// <summary>Id, format version and URL.</summary>
    public RepositoryInfo Info { get; }

    internal RepositoryParts Parts => _parts;

    /// <summary>True where the store holds a repository, whole or not.</summary>
    public static async Task<bool> ExistsAsync(IObjectStore store, CancellationToken cancellationToken = default)
    {
        foreach (var prefix in (string[])[KeySlotStore.Prefix, ManifestStore.Prefix, IndexStore.PackPrefix, IndexSegment.Prefix, WalName.Prefix])
        {
            if (await store.AnyAsync(prefix, cancellationToken))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Makes a repository with a random id and master key.</summary>
    /// <exception cref="EngineException">Kind Conflict where the store holds a repository already.</exception>
    public static async Task<BackupRepository> InitializeAsync(
        IObjectStore store, RepositoryKey key, RepositoryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        options ??= new RepositoryOptions();
        await RefuseExistingAsync(store, cancellationToken);
        var master = RandomNumberGenerator.GetBytes(32);
        var id = Guid.NewGuid();
        var slot = KeySlot.Create(id, new SlotKeys(master, 0, null), key.Passphrase.Span, options.KeyDerivation, options.Time.GetUtcNow());
        await KeySlotStore.WriteAsync(store, slot, cancellationToken);
        await WithdrawBesideAnotherAsync(store, slot, cancellationToken);
        return new BackupRepository(new RepositoryParts(store, new KeyRing(id, master, null, new KeySource(store, key.Passphrase)), options));
    }

    /// <summary>Makes a new tier of <paramref name="from"/>: the same repository id, master key and key slots, no restore points yet.</summary>
    /// <exception cref="EngineException">Kind Conflict where the store holds a repository already.</exception>
    public static async Task<BackupRepository> InitializeFromAsync(
        IObjectStore store, BackupRepository from, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(from);
        await RefuseExistingAsync(store, cancellationToken);
        await TierKeys.CopyAsync(from._parts, store, null, cancellationToken);
        return new BackupRepository(new RepositoryParts(store, from._parts.Keys.Copy(store), from._parts.Options));
    }

    /// <summary>Opens a repository.</summary>
    /// <exception cref="EngineException">
    /// Kind NotFound where the store holds none, Denied for a wrong passphrase, Damaged where no key slot is whole,
    /// Unsupported for another format version.
    /// </exception>
    public static async Task<BackupRepository> OpenAsync(
        IObjectStore store, RepositoryKey key, RepositoryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        var (look, keys) = await KeySource.OpenAsync(store, key.Passphrase, cancellationToken);
        if (look.Slots.Count == 0)
        {
            throw look.Damaged.Count > 0 || await ExistsAsync(store, cancellationToken)
                ? new EngineException(
                    "key-slots-damaged", ErrorKind.Damaged, $"no key slot of the repository in {store.Url} is whole",
                    "copy the folder 'keys' from another tier of this repository")
                : new EngineException(
                    "repository-missing", ErrorKind.NotFound, $"there is no repository in {store.Url}",
                    "check the URL, or make one with 'drconsole repository init'");
        }

        return keys is not null ? new BackupRepository(new RepositoryParts(store, keys, options ?? new RepositoryOptions())) : throw new EngineException(
            "wrong-passphrase", ErrorKind.Denied, $"the passphrase does not open the repository in {store.Url}",
            "use the key file that the repository was made with; nothing was changed");
    }

    /// <summary>Begins a backup: announces it to prune, loads the index and proves which packs are present. Dispose what it returns.</summary>
    public async Task<BackupSession> BeginAsync(BackupDescription description, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(description);
        return await BackupSession.BeginAsync(_parts, description, cancellationToken);
    }

    /// <summary>All restore points, oldest first. Manifests that cannot be read are named, the others still show.</summary>
    /// <exception cref="EngineException">Kind Unsupported for a manifest of another version.</exception>
    public Task<RestorePointList> ListAsync(CancellationToken cancellationToken = default) => _parts.Manifests.ListAsync(cancellationToken);

    /// <summary>The same of those alone that the store took then or later, on its own clock: no other manifest is read.</summary>
    public Task<RestorePointList> ListStoredSinceAsync(DateTimeOffset since, CancellationToken cancellationToken = default) => _parts.Manifests.ListAsync(cancellationToken, since);

    /// <summary>Reads a restore point's manifest.</summary>
    /// <exception cref="EngineException">Kind NotFound, Damaged or Unsupported.</exception>
    public async Task<Manifest> ReadManifestAsync(RestorePointId id, CancellationToken cancellationToken = default)
    {
        if (!Guid.TryParseExact(id.Value, "N", out _) || await _parts.Store.StatAsync(ManifestStore.KeyOf(id), cancellationToken) is null)
        {
            throw NoSuchPoint(id.Value);
        }

        return await _parts.Manifests.ReadAsync(ManifestStore.KeyOf(id), cancellationToken);
    }

    /// <summary>The restore point that an id or the unique beginning of one means; <c>latest</c> is the newest.</summary>
    /// <exception cref="EngineException">Kind NotFound for none, Input for several.</exception>
    public async Task<RestorePointId> ResolveAsync(string idOrPrefix, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(idOrPrefix);
        if (idOrPrefix == Latest)
        {
            return (await ListAsync(cancellationToken)).Points is [.., var newest] ? newest.Id : throw NoSuchPoint(idOrPrefix);
        }

        var found = (await _parts.Manifests.KeysAsync(cancellationToken)).Select(key => key[ManifestStore.Prefix.Length..])
            .Where(id => idOrPrefix.Length > 0 && id.StartsWith(idOrPrefix, StringComparison.OrdinalIgnoreCase)).ToList();
        return found switch
        {
            [var one] => new RestorePointId(one),
            [] => throw NoSuchPoint(idOrPrefix),
            _ => throw new EngineException(
                "restore-point-ambiguous", ErrorKind.Input, $"'{idOrPrefix}' begins {found.Count} restore points: {string.Join(", ", found.Take(5))}",
                "give more digits of the id"),
        };
    }

    /// <summary>Writes an artifact that is a stream. Every chunk is verified, and at the end the whole stream's SHA-256.</summary>
    /// <exception cref="EngineException">Kind Damaged naming the pack; the destination then holds only a part.</exception>
    public async Task ReadStreamAsync(
        Manifest manifest, string artifact, Stream destination, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(destination);
        var stored = FindStream(manifest, artifact);
        var meter = new ProgressMeter(progress, _parts.Options.Time, artifact, 1, stored.Length);
        await _parts.ReadHashedAsync(
            stored, ObjectType.Stream,
            async bytes =>
            {
                await destination.WriteAsync(bytes, cancellationToken);
                meter.Add(0, bytes.Length);
            },
            cancellationToken);
        await destination.FlushAsync(cancellationToken);
        meter.Add(1, 0);
        meter.Finish();
    }

    /// <summary>
    /// Reads a part of an artifact that is a stream, by the chunks that hold it and no others. Each of them is verified; the SHA-256 of
    /// the whole stream is not, since the rest is not read.
    /// </summary>
    /// <exception cref="EngineException">Kind Damaged naming the pack; <c>content-range</c> where the stream ends before the part.</exception>
    public async Task<byte[]> ReadStreamRangeAsync(Manifest manifest, string artifact, long offset, int length, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var stored = FindStream(manifest, artifact);
        using var buffer = new MemoryStream();
        await _parts.Contents.ReadRangeAsync(stored.Root.ToContentRoot(), ObjectType.Stream, offset, length, bytes => buffer.WriteAsync(bytes, cancellationToken), cancellationToken);
        return buffer.ToArray();
    }

    /// <summary>Writes an immutable note about a restore point, or about the repository, and returns its id.</summary>
    public Task<string> WriteAttestationAsync(
        string kind, RestorePointId? restorePoint, JsonElement content, CancellationToken cancellationToken = default) =>
        _parts.Attestations.WriteAsync(kind, restorePoint, content, null, cancellationToken);

    /// <summary>Writes a note under an id that the caller chose (a version 7 UUID), unless it is there and can be read: repeatable after a crash.</summary>
    /// <returns>False where it was there.</returns>
    public async Task<bool> EnsureAttestationAsync(
        Guid id, string kind, RestorePointId? restorePoint, JsonElement content, CancellationToken cancellationToken = default)
    {
        if (await _parts.Attestations.IsReadableAsync(id, cancellationToken))
        {
            return false;
        }

        await _parts.Attestations.WriteAsync(kind, restorePoint, content, id, cancellationToken);
        return true;
    }

    /// <summary>All attestations, oldest first; of one kind where <paramref name="kind"/> is given.</summary>
    /// <exception cref="EngineException">Kind Damaged where one cannot be read: holds must never be overlooked.</exception>
    public Task<IReadOnlyList<Attestation>> ListAttestationsAsync(string? kind = null, CancellationToken cancellationToken = default) =>
        _parts.Attestations.ListAsync(kind, cancellationToken);

    /// <summary>All attestations that can be read, oldest first, of validations only the verdict; and those that cannot, as values.</summary>
    public Task<AttestationList> LoadAttestationsAsync(CancellationToken cancellationToken = default) => _parts.Attestations.LoadAsync(cancellationToken);

    /// <summary>Writes index segments for all packs that no segment covers; returns how many packs those were.</summary>
    public Task<int> RebuildIndexAsync(CancellationToken cancellationToken = default) => _parts.Index.StoreMissingSegmentsAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _parts.Dispose();
        return ValueTask.CompletedTask;
    }

    internal static StoredArtifact FindArtifact(Manifest manifest, string name) =>
        manifest.Artifacts.FirstOrDefault(a => a.Name == name) ?? throw new EngineException(
            "artifact-missing", ErrorKind.NotFound, $"restore point {manifest.Id.Short} has no artifact '{name}'",
            $"it has: {string.Join(", ", manifest.Artifacts.Select(a => a.Name))}");

    private static StoredArtifact FindStream(Manifest manifest, string name) => FindArtifact(manifest, name) switch
    {
        { Type: StoredArtifact.StreamType } stream => stream,
        { Type: StoredArtifact.TreeType } => throw new EngineException("artifact-is-tree", ErrorKind.Input, $"'{name}' is a file tree", "restore it into a directory"),
        var other => throw RepositoryFormat.UnknownType($"artifact '{name}'", $"'{other.Type}'"),
    };

    private static EngineException NoSuchPoint(string id) => new(
        PointMissing, ErrorKind.NotFound, $"there is no restore point '{id}'", "see 'drconsole repository list'");

    /// <summary>
    /// Nothing locks a store: somebody else may have made a repository in it at the same moment. Whoever sees the other one takes
    /// back its own, before anything leans on it; both may, and then the next one makes it.
    /// </summary>
    private static async Task WithdrawBesideAnotherAsync(IObjectStore store, KeySlot mine, CancellationToken ct)
    {
        var (slots, _) = await KeySlotStore.ReadAsync(store, ct);
        if (slots.All(slot => slot.RepositoryId == mine.RepositoryId))
        {
            return;
        }

        try
        {
            await KeySlotStore.DeleteAsync(store, mine.SlotId, ct);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Denied)
        {
            throw new EngineException(
                "repository-exists", ErrorKind.Conflict, $"{store.Url} got another repository at the same moment, and this one's key could not be taken back: {fault.Message}",
                $"delete the objects keys/{mine.SlotId:N}.1 and .2 there before its first backup", fault);
        }

        throw new EngineException(
            "repository-exists", ErrorKind.Conflict, $"{store.Url} got another repository at the same moment; this one was taken back", "try again: it opens the other one then");
    }

    private static async Task RefuseExistingAsync(IObjectStore store, CancellationToken ct)
    {
        if (await ExistsAsync(store, ct))
        {
            throw new EngineException(
                "repository-exists", ErrorKind.Conflict, $"{store.Url} holds a repository already", "name another directory; nothing was changed");
        }
    }
}
