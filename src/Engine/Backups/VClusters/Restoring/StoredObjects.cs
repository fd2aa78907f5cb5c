using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>The objects of a restore point: their index, and their documents on demand.</summary>
public sealed class StoredObjects(BackupRepository repository, Manifest manifest)
{
    /// <summary>Every object, in the order in which they are stored.</summary>
    /// <exception cref="EngineException"><c>index-unreadable</c>, or what the repository says.</exception>
    public async Task<IReadOnlyList<CapturedObject>> ReadIndexAsync(CancellationToken cancellationToken)
    {
        var text = Encoding.UTF8.GetString(await BytesAsync(VClusterArtifacts.Index, cancellationToken).ConfigureAwait(false));
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

    /// <summary>The documents of some objects, read artifact by artifact; one artifact is in memory at a time.</summary>
    /// <exception cref="EngineException">A document is not what the index says.</exception>
    public async Task<IReadOnlyList<(CapturedObject Object, JsonObject Document)>> ReadAsync(IEnumerable<CapturedObject> wanted, CancellationToken cancellationToken)
    {
        var found = new List<(CapturedObject, JsonObject)>();
        foreach (var group in wanted.GroupBy(one => one.Artifact, StringComparer.Ordinal))
        {
            var bytes = await BytesAsync(group.Key, cancellationToken).ConfigureAwait(false);
            foreach (var one in group)
            {
                if (one.Offset < 0 || one.Length < 0 || one.Offset + one.Length > bytes.Length)
                {
                    throw Mismatch(one);
                }

                var document = ObjectYaml.ReadOne(Encoding.UTF8.GetString(bytes, (int)one.Offset, one.Length));
                if (KubeObjectKey.Of(document) != one.Key)
                {
                    throw Mismatch(one);
                }

                found.Add((one, document));
            }
        }

        return found;
    }

    private static EngineException Mismatch(CapturedObject one) => new(
        "index-mismatch", ErrorKind.Damaged, $"{one.Key} is not where the index says, in {one.Artifact}", "validate the restore point");

    private async Task<byte[]> BytesAsync(string artifact, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, artifact, buffer, null, cancellationToken).ConfigureAwait(false);
        return buffer.ToArray();
    }
}
