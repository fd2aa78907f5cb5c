using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>An object below <c>wal/</c> as a listing shows it; no name where its key is none of this format.</summary>
internal readonly record struct WalItem(ObjectInfo Info, WalName? Name);

/// <summary>Reads, lists and writes the objects below <c>wal/</c> of one tier.</summary>
internal sealed class WalStore(RepositoryParts parts)
{
    private const int ParallelReads = 4;

    private bool _mayNotDelete;

    public RepositoryParts Parts => parts;

    public string StreamOf(string source, ulong systemIdentifier) =>
        parts.Keys.WalDigest(Encoding.UTF8.GetBytes(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"wal stream\0{systemIdentifier}\0{source}")), 32);

    public string DigestOf(ReadOnlySpan<byte> plain) => parts.Keys.WalDigest(plain, 16);

    public async IAsyncEnumerable<WalItem> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var item in parts.Store.ListAsync(prefix, ct))
        {
            yield return new WalItem(item, WalName.TryParse(item.Key));
        }
    }

    /// <summary>The names below a prefix.</summary>
    public async Task<List<WalName>> NamesAsync(string prefix, CancellationToken ct)
    {
        var found = new List<WalName>();
        await foreach (var item in ListAsync(prefix, ct))
        {
            if (item.Name is { } name)
            {
                found.Add(name);
            }
        }

        return found;
    }

    /// <summary>The plaintext of an object: whole, of this name, and what its digest says.</summary>
    /// <exception cref="EngineException">Kind NotFound or Damaged.</exception>
    public async Task<byte[]> ReadAsync(WalName name, CancellationToken ct) => await OpenAsync(name, await parts.Store.ReadAllAsync(name.Key, ct), ct);

    /// <summary>The plaintext of an object's stored bytes.</summary>
    /// <exception cref="EngineException">Kind Damaged; Unsupported for an encryption epoch whose key is not there.</exception>
    public async Task<byte[]> OpenAsync(WalName name, ReadOnlyMemory<byte> stored, CancellationToken ct)
    {
        var plain = await Envelope.OpenAsync(parts.Keys, name.Type, name.Id, name.Key, stored, ct);
        return (name.Digest.Length == 0 || DigestOf(plain) == name.Digest) && (name.Type != ObjectType.WalPiece || plain.Length == name.To - name.From)
            ? plain : throw Damaged(name.Key, "holds other bytes than its name says");
    }

    /// <summary>What is wrong with an object, or null; null too where it is gone.</summary>
    public async Task<string?> FaultOfAsync(WalName name, CancellationToken ct)
    {
        try
        {
            _ = await ReadAsync(name, ct);
            return null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return error.Message;
        }
    }

    /// <summary>True where an object is there and opens.</summary>
    public async Task<bool> OpensAsync(WalName name, CancellationToken ct) => await TryReadAsync(name, ct) is not null;

    /// <summary>Stores sealed bytes and reads them back: only then may anybody rely on them.</summary>
    /// <exception cref="EngineException">Code <c>wal-not-read-back</c>: the store does not give back what it took.</exception>
    public async Task PutAsync(WalName name, byte[] stored, CancellationToken ct)
    {
        await parts.Store.PutAsync(name.Key, stored, ct);
        var back = await parts.Store.ReadAllAsync(name.Key, ct);
        // Another process may have stored the same bytes at the same time under a nonce of its own.
        if (!stored.AsSpan().SequenceEqual(back) && (!Envelope.IsWhole(back) || (await OpenAsync(name, back, ct)).Length < 0))
        {
            throw new EngineException(
                "wal-not-read-back", ErrorKind.Damaged, $"{name.Key} in {parts.Store.Url} is not what was written right before",
                "look at the disk or server behind that store; nothing relies on what was written");
        }
    }

    /// <summary>Deletes what something else supersedes.</summary>
    /// <returns>False where whoever writes may not delete: the tier's prune role clears it away then (<see cref="WalLeftovers"/>).</returns>
    public async Task<bool> TryDeleteAsync(string key, CancellationToken ct)
    {
        if (_mayNotDelete)
        {
            return false;
        }

        try
        {
            await parts.Store.DeleteAsync(key, ct);
            return true;
        }
        catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
        {
            _mayNotDelete = true;
            return false;
        }
    }

    /// <summary>The description of a stream, or null where this tier has none.</summary>
    /// <exception cref="EngineException">Kind Damaged.</exception>
    public async Task<WalStreamInfo?> TryReadInfoAsync(string stream, CancellationToken ct)
    {
        var name = WalName.OfStream(stream);
        if (await parts.Store.StatAsync(name.Key, ct) is null)
        {
            return null;
        }

        try
        {
            var info = JsonSerializer.Deserialize(await ReadAsync(name, ct), RepositoryJson.Default.WalStreamInfo) ?? throw new JsonException("empty");
            _ = new WalSegmentSize(info.SegmentBytes);
            return info with { Stream = stream };
        }
        catch (JsonException)
        {
            throw Damaged(name.Key, "does not hold what this format says");
        }
    }

    public Task WriteInfoAsync(WalStreamInfo info, string stream, CancellationToken ct)
    {
        var name = WalName.OfStream(stream);
        return PutAsync(name, Envelope.Seal(parts.Keys, name.Type, name.Id, JsonSerializer.SerializeToUtf8Bytes(info with { Stream = "" }, RepositoryJson.Default.WalStreamInfo)), ct);
    }

    /// <summary>Up to where each timeline was given up here. What cannot be read gives nothing up.</summary>
    public async Task<Dictionary<uint, ulong>> HorizonsAsync(IEnumerable<WalName> names, CancellationToken ct)
    {
        var horizons = new Dictionary<uint, ulong>();
        foreach (var name in names.Where(name => name.Type == ObjectType.WalHorizon && name.Segment > horizons.GetValueOrDefault(name.Timeline)).ToList())
        {
            if (await TryReadAsync(name, ct) is not null)
            {
                horizons[name.Timeline] = Math.Max(name.Segment, horizons.GetValueOrDefault(name.Timeline));
            }
        }

        return horizons;
    }

    /// <summary>The histories among these names, parsed; damaged ones are left out, check names them.</summary>
    public async Task<List<TimelineHistory>> HistoriesAsync(IEnumerable<WalName> names, CancellationToken ct)
    {
        var found = new List<TimelineHistory>();
        foreach (var batch in names.Where(name => name.Type == ObjectType.TimelineHistory).Chunk(ParallelReads))
        {
            foreach (var (text, name) in (await Task.WhenAll(batch.Select(name => TryReadAsync(name, ct)))).Zip(batch))
            {
                if (text is not null)
                {
                    found.Add(TimelineHistory.Parse(name.Timeline, text));
                }
            }
        }

        return found;
    }

    public static EngineException Damaged(string key, string cause) => new(
        "object-damaged", ErrorKind.Damaged, $"{key} {cause}", "repair this tier from another one with 'drconsole repository repair --from'")
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };

    private async Task<byte[]?> TryReadAsync(WalName name, CancellationToken ct)
    {
        try
        {
            return await ReadAsync(name, ct);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
    }
}
