using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Compares stored bytes with the checksums that they carry or are named by. Needs no key.</summary>
internal static class PackScrub
{
    private const int BufferLength = 1024 * 1024;

    /// <summary>What is wrong with a pack, or null; also the bytes read.</summary>
    public static async Task<(string? Fault, long Bytes)> HashAsync(IObjectStore store, string name, Action<int>? onRead, CancellationToken ct)
    {
        try
        {
            await using var stream = await store.OpenReadAsync(PackBuilder.KeyOf(name), ct);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[BufferLength];
            var length = 0L;
            while (await stream.ReadAsync(buffer, ct) is > 0 and var read)
            {
                hash.AppendData(buffer, 0, read);
                length += read;
                onRead?.Invoke(read);
            }

            return (Convert.ToHexStringLower(hash.GetHashAndReset()) == name ? null : "has another SHA-256 than its name", length);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            return (error.Kind == ErrorKind.NotFound ? "is missing" : error.Message, 0);
        }
        catch (IOException error)
        {
            // A bad sector: the rest of the packs are still worth reading. Any other fault is the store's, and says nothing of the pack.
            var fault = StoreFaults.OfReading(error, store.Url, PackBuilder.KeyOf(name), PackBuilder.KeyOf(name));
            return fault.Kind == ErrorKind.Damaged ? (fault.Message, 0) : throw fault;
        }
    }

    /// <summary>Reads new packs back: only then may anything be said to be stored that lies in them.</summary>
    /// <exception cref="EngineException">Code <c>pack-not-read-back</c>: one is not as it was written.</exception>
    public static async Task RequireAsWrittenAsync(IObjectStore store, IEnumerable<IndexedPack> packs, CancellationToken ct)
    {
        foreach (var pack in packs)
        {
            var (fault, length) = await HashAsync(store, pack.Name, null, ct);
            if (fault is not null || length != pack.Length)
            {
                throw new EngineException(
                    "pack-not-read-back", ErrorKind.Damaged, $"pack {pack.Name} in {store.Url} {fault ?? "has another length"} right after it was written",
                    "check the disk or server behind that store, then do it again; nothing leans on what was written");
            }
        }
    }

    /// <summary>Reads every object of a store and compares its checksum.</summary>
    public static async Task<ScrubReport> ScrubAsync(IObjectStore store, CheckSlice slice, ProgressMeter meter, CancellationToken ct)
    {
        var damaged = new List<Damage>();
        var (objects, bytes) = (0L, 0L);
        await foreach (var item in store.ListAsync("", ct))
        {
            string? fault;
            if (item.Key.StartsWith(IndexStore.PackPrefix, StringComparison.Ordinal))
            {
                var name = item.Key[(item.Key.LastIndexOf('/') + 1)..];
                if (name.Length != 64 || !name.All(char.IsAsciiHexDigitLower))
                {
                    damaged.Add(new Damage(item.Key, "has a name that no pack has"));
                    continue;
                }

                if (!slice.Contains(name))
                {
                    continue;
                }

                (fault, _) = await HashAsync(store, name, read => meter.Add(0, read), ct);
                fault = fault is not null && await store.StatAsync(item.Key, ct) is null ? null : fault;
            }
            else
            {
                fault = await CheckObjectAsync(store, item, ct);
                meter.Add(0, item.Length);
            }

            objects++;
            bytes += item.Length;
            meter.Add(1, 0);
            if (fault is not null)
            {
                damaged.Add(new Damage(item.Key, fault));
            }
        }

        meter.Finish();
        return new ScrubReport(objects, bytes, damaged);
    }

    private static async Task<string?> CheckObjectAsync(IObjectStore store, ObjectInfo item, CancellationToken ct)
    {
        try
        {
            var content = await store.ReadAllAsync(item.Key, ct);
            var isWhole = item.Key.StartsWith(KeySlotStore.Prefix, StringComparison.Ordinal)
                ? KeySlot.TryDecode(item.Key, content) is not null : Envelope.IsWhole(content);
            return isWhole ? null : "is cut or has a changed byte";
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            // Sessions come and go, and prune deletes; what is missing for good a check finds, which has the key.
            return null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return error.Message;
        }
    }
}
