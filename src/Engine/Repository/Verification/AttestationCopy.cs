using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// Brings a tier the attestations that another one has and it lacks. Those about restore points that the tier does not hold stay away:
/// its own prune deletes them, and a copy that brought them back each time would have them grow for ever.
/// </summary>
internal sealed class AttestationCopy(RepositoryParts source, RepositoryParts target)
{
    /// <summary>Copies them; after the manifests.</summary>
    /// <param name="damaged">Keys of attestations that the target has damaged: these come in any case, since one that cannot be read may be a hold.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>The keys of what was copied.</returns>
    public async Task<IReadOnlyList<string>> RunAsync(IReadOnlySet<string> damaged, CancellationToken ct)
    {
        var there = (await target.Attestations.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        var points = (await target.Manifests.KeysAsync(ct)).Select(key => new RestorePointId(key[ManifestStore.Prefix.Length..])).ToHashSet();
        var copied = new List<string>();
        var ends = new List<Attestation>();
        foreach (var key in (await source.Attestations.KeysAsync(ct)).Where(key => damaged.Contains(key) || !there.Contains(key)))
        {
            if (await TryReadAsync(key, ct) is not { } note)
            {
                continue;
            }

            if (damaged.Contains(key) || (note.Kind != Attestations.Release && PointNotes.IsNeeded(note, points, _ => false)))
            {
                await CopyAsync(key);
            }
            else if (note.Kind == Attestations.Release)
            {
                ends.Add(note);
            }
        }

        foreach (var end in ends.Where(end => PointNotes.IsNeeded(end, points, id => there.Contains(AttestationStore.Prefix + id))))
        {
            await CopyAsync(AttestationStore.Prefix + end.Id);
        }

        return copied;

        async Task CopyAsync(string key)
        {
            if (await TryReadBytesAsync(key, ct) is { } bytes)
            {
                await target.Store.PutAsync(key, bytes, ct);
                there.Add(key);
                copied.Add(key);
            }
        }
    }

    /// <summary>Null where it is not as it was written, which is not worth a restore point that cannot be copied: check names it. Or where a prune deleted it since.</summary>
    private async Task<Attestation?> TryReadAsync(string key, CancellationToken ct)
    {
        try
        {
            return await source.Attestations.ReadAsync(key, ct);
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
    }

    private async Task<byte[]?> TryReadBytesAsync(string key, CancellationToken ct)
    {
        try
        {
            return await source.Store.ReadAllAsync(key, ct);
        }
        catch (EngineException gone) when (gone.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }
}
