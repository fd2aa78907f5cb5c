using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Manifests;

/// <summary>The encrypted attestations, named by ids that begin with their time.</summary>
internal sealed class AttestationStore(KeyRing keys, IObjectStore store, TimeProvider time)
{
    public const string Prefix = "attestations/";

    public async Task<string> WriteAsync(string kind, RestorePointId? restorePoint, JsonElement content, Guid? known, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var id = known ?? Guid.CreateVersion7(now);
        var attestation = new Attestation(id.ToString("N"), kind, restorePoint, now, content);
        await JsonObject.WriteAsync(store, keys, ObjectType.Attestation, Prefix, id, attestation, RepositoryJson.Default.Attestation, ct);
        return attestation.Id;
    }

    /// <summary>True where it is there and as it was written.</summary>
    public async Task<bool> IsReadableAsync(Guid id, CancellationToken ct)
    {
        try
        {
            _ = await ReadAsync($"{Prefix}{id:N}", ct);
            return true;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return false;
        }
    }

    public Task<Attestation> ReadAsync(string key, CancellationToken ct) =>
        JsonObject.ReadAsync(store, keys, ObjectType.Attestation, Prefix, key, RepositoryJson.Default.Attestation, ct);

    /// <summary>All keys, oldest first.</summary>
    public async Task<List<string>> KeysAsync(CancellationToken ct)
    {
        var found = new List<string>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            found.Add(item.Key);
        }

        return found;
    }

    /// <summary>All that can be read, oldest first, of validations only the verdict; and those that cannot.</summary>
    public async Task<AttestationList> LoadAsync(CancellationToken ct)
    {
        var readable = new List<Attestation>();
        var unreadable = new List<UnreadableAttestation>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            try
            {
                readable.Add(PointNotes.Folded(await ReadAsync(item.Key, ct)));
            }
            catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
            {
                // A prune deleted it since the listing: its restore point is gone.
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                unreadable.Add(new UnreadableAttestation(item.Key, error.Message, WrittenAt(item)));
            }
        }

        return new AttestationList(readable, unreadable);
    }

    /// <summary>The later of the times that its id and the store give: what it says is about nothing that is newer.</summary>
    private static DateTimeOffset WrittenAt(ObjectInfo item)
    {
        if (!long.TryParse(item.Key.AsSpan(Prefix.Length, Math.Min(12, item.Key.Length - Prefix.Length)), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var milliseconds)
            || milliseconds > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
        {
            return item.LastModified;
        }

        var named = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        return named > item.LastModified ? named : item.LastModified;
    }

    public async Task<IReadOnlyList<Attestation>> ListAsync(string? kind, CancellationToken ct)
    {
        var found = new List<Attestation>();
        foreach (var key in await KeysAsync(ct))
        {
            try
            {
                if (await ReadAsync(key, ct) is var attestation && (kind is null || attestation.Kind == kind))
                {
                    found.Add(attestation);
                }
            }
            catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
            {
                // As above.
            }
        }

        return found;
    }
}
