using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
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

    public async Task<bool> ExistsAsync(Guid id, CancellationToken ct) => await store.StatAsync($"{Prefix}{id:N}", ct) is not null;

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

    public async Task<IReadOnlyList<Attestation>> ListAsync(string? kind, CancellationToken ct)
    {
        var found = new List<Attestation>();
        foreach (var key in await KeysAsync(ct))
        {
            var attestation = await ReadAsync(key, ct);
            if (kind is null || attestation.Kind == kind)
            {
                found.Add(attestation);
            }
        }

        return found;
    }
}
