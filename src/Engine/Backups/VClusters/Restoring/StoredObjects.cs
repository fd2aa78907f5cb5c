using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>An object's document as it was found in a restore point.</summary>
/// <param name="Object">The object.</param>
/// <param name="Document">Null where it cannot be read.</param>
/// <param name="Fault">Why it cannot be read.</param>
public sealed record StoredDocument(CapturedObject Object, JsonObject? Document, EngineException? Fault);

/// <summary>
/// The objects of a restore point: their index, and their documents on demand. The index says where each document lies, so that a
/// document is read by the chunks that hold it, not by its whole artifact.
/// </summary>
public sealed class StoredObjects(BackupRepository repository, Manifest manifest)
{
    /// <summary>Documents that are no further apart than a chunk is long at least are read at once: what lies between costs no chunk more.</summary>
    private const int WidestGap = 512 * 1024;

    /// <summary>So much is in memory at once at most, but for a single document that is longer.</summary>
    private const int LongestRange = 32 * 1024 * 1024;

    /// <summary>Every object, in the order in which they are stored.</summary>
    /// <exception cref="EngineException"><c>index-unreadable</c>, or what the repository says.</exception>
    public async Task<IReadOnlyList<CapturedObject>> ReadIndexAsync(CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, VClusterArtifacts.Index, buffer, null, cancellationToken).ConfigureAwait(false);
        var text = Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
        try
        {
            return
            [
                .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                    .Select(line => JsonSerializer.Deserialize(line, VClusterJson.Default.CapturedObject) ?? throw new JsonException("a line is null")),
            ];
        }
        catch (JsonException exception)
        {
            throw new EngineException("index-unreadable", ErrorKind.Damaged, $"the index of objects cannot be read: {exception.Message}", "validate the restore point", exception);
        }
    }

    /// <summary>The documents of some objects, artifact by artifact in the order in which they are stored.</summary>
    /// <exception cref="EngineException">A document is damaged, or not what the index says.</exception>
    public async Task<IReadOnlyList<(CapturedObject Object, JsonObject Document)>> ReadAsync(IEnumerable<CapturedObject> wanted, CancellationToken cancellationToken) =>
        [.. (await ReadEachAsync(wanted, cancellationToken).ConfigureAwait(false)).Select(one => one.Fault is null ? (one.Object, one.Document!) : throw one.Fault)];

    /// <summary>The same with faults as values: one damaged chunk takes away the documents in it, and no others.</summary>
    /// <exception cref="EngineException">What the store says, other than that something is damaged.</exception>
    public async Task<IReadOnlyList<StoredDocument>> ReadEachAsync(IEnumerable<CapturedObject> wanted, CancellationToken cancellationToken)
    {
        var found = new List<StoredDocument>();
        foreach (var group in wanted.GroupBy(one => one.Artifact, StringComparer.Ordinal))
        {
            foreach (var range in Ranges(group))
            {
                found.AddRange(await ReadRangeAsync(range, cancellationToken).ConfigureAwait(false));
            }
        }

        return found;
    }

    private static IEnumerable<List<CapturedObject>> Ranges(IEnumerable<CapturedObject> wanted)
    {
        var range = new List<CapturedObject>();
        foreach (var one in wanted.OrderBy(one => one.Offset))
        {
            if (range.Count > 0 && (one.Offset - EndOf(range[^1]) > WidestGap || EndOf(one) - range[0].Offset > LongestRange))
            {
                yield return range;
                range = [];
            }

            range.Add(one);
        }

        if (range.Count > 0)
        {
            yield return range;
        }
    }

    private static long EndOf(CapturedObject one) => one.Offset + one.Length;

    private async Task<IReadOnlyList<StoredDocument>> ReadRangeAsync(List<CapturedObject> range, CancellationToken cancellationToken)
    {
        var begin = range[0].Offset;
        byte[] bytes;
        try
        {
            bytes = await repository.ReadStreamRangeAsync(manifest, range[0].Artifact, begin, (int)(range.Max(EndOf) - begin), cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Damaged)
        {
            if (range.Count == 1)
            {
                return [new StoredDocument(range[0], null, fault.Code == "content-range" ? Mismatch(range[0]) : fault)];
            }

            // By halves: most of them lie in chunks that are whole, and one by one each such chunk would be read once for every document in it.
            var half = range.Count / 2;
            var first = await ReadRangeAsync(range[..half], cancellationToken).ConfigureAwait(false);
            return [.. first, .. await ReadRangeAsync(range[half..], cancellationToken).ConfigureAwait(false)];
        }

        return [.. range.Select(one => Parse(one, bytes, (int)(one.Offset - begin)))];
    }

    private static StoredDocument Parse(CapturedObject one, byte[] bytes, int at)
    {
        if (one.Length < 0 || at + one.Length > bytes.Length)
        {
            return new StoredDocument(one, null, Mismatch(one));
        }

        try
        {
            var document = ObjectYaml.ReadOne(Encoding.UTF8.GetString(bytes, at, one.Length));
            return KubeObjectKey.Of(document) == one.Key ? new StoredDocument(one, document, null) : new StoredDocument(one, null, Mismatch(one));
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Damaged)
        {
            return new StoredDocument(one, null, fault);
        }
    }

    private static EngineException Mismatch(CapturedObject one) => new(
        "index-mismatch", ErrorKind.Damaged, $"{one.Key} is not where the index says, in {one.Artifact}", "validate the restore point");
}
