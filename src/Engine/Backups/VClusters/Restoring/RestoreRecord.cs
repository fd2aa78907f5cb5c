using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// The plan that a restore executes, kept beside its restore point before its first effect: with it the restore is gone on
/// with, or taken back, after a crash. It holds what changed objects were before, so it lies in the repository, encrypted.
/// </summary>
internal static class RestoreRecord
{
    private const string Kind = "object-restore";

    public static async Task WriteAsync(BackupRepository repository, Manifest manifest, string operation, ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        var rows = new JsonArray();
        foreach (var one in plan.Objects)
        {
            rows.Add(new JsonObject
            {
                ["source"] = JsonSerializer.SerializeToNode(one.Source),
                ["target"] = JsonSerializer.SerializeToNode(one.Target),
                ["action"] = (int)one.Action,
                ["reason"] = one.Reason,
                ["digest"] = one.Digest,
                ["liveDigest"] = one.LiveDigest,
                ["before"] = one.Action == ObjectAction.Change ? one.Live!.DeepClone() : null,
                ["beforePorts"] = one.Action == ObjectAction.Change ? JsonSerializer.SerializeToNode(one.LivePorts) : null,
                // What the target's state has led to cannot be found again later.
                ["document"] = one is { IsEffect: true, IsAdjusted: true } ? one.Document!.DeepClone() : null,
            });
        }

        var content = JsonSerializer.SerializeToElement(new JsonObject { ["operation"] = operation, ["cluster"] = plan.Cluster, ["identity"] = plan.Identity, ["objects"] = rows });
        await repository.EnsureAttestationAsync(IdOf(manifest, operation), Kind, manifest.Id, content, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The plan of an operation, with its documents, or null where it never came to its first effect.</summary>
    public static async Task<ObjectRestorePlan?> FindAsync(BackupRepository repository, Manifest manifest, string operation, RestoreSelection selection, CancellationToken cancellationToken)
    {
        var id = IdOf(manifest, operation).ToString("N");
        var found = (await repository.ListAttestationsAsync(Kind, cancellationToken).ConfigureAwait(false)).FirstOrDefault(one => one.Id == id);
        if (found is null)
        {
            return null;
        }

        var rows = found.Content.GetProperty("objects").EnumerateArray().Select(row => new PlannedObject(
            row.GetProperty("source").Deserialize<KubeObjectKey>(), row.GetProperty("target").Deserialize<KubeObjectKey>(), (ObjectAction)row.GetProperty("action").GetInt32(),
            row.GetProperty("reason").GetString(), [], row.GetProperty("digest").GetString()!, row.GetProperty("liveDigest").GetString())
        {
            Live = row.GetProperty("before").Deserialize<JsonObject>(),
            // Records of older builds have neither of these.
            LivePorts = row.TryGetProperty("beforePorts", out var ports) ? ports.Deserialize<Dictionary<string, int>>() : null,
            Document = row.TryGetProperty("document", out var adjusted) ? adjusted.Deserialize<JsonObject>() : null,
        }).ToList();
        var wanted = rows.Where(row => row is { IsEffect: true, Document: null }).ToDictionary(row => row.Source);
        var stored = new StoredObjects(repository, manifest);
        var index = await stored.ReadIndexAsync(cancellationToken).ConfigureAwait(false);
        var documents = (await stored.ReadAsync(index.Where(one => wanted.ContainsKey(one.Key)), cancellationToken).ConfigureAwait(false)).ToDictionary(one => one.Object.Key);
        return new ObjectRestorePlan(found.Content.GetProperty("cluster").GetString()!, [.. rows.Select(row => wanted.ContainsKey(row.Source) ? row with { Document = Mapped(documents[row.Source], row.Target, selection) } : row)])
        {
            // Nor this.
            Identity = found.Content.TryGetProperty("identity", out var identity) ? identity.GetString() : null,
        };
    }

    private static JsonObject Mapped((CapturedObject Object, JsonObject Document) one, KubeObjectKey target, RestoreSelection selection)
    {
        ObjectBodies.Map(one.Document, one.Object, target, selection);
        return one.Document;
    }

    /// <summary>The same for the same operation: a second attempt finds the first one's.</summary>
    private static Guid IdOf(Manifest manifest, string operation)
    {
        var bytes = SHA256.HashData(Encoding.UTF8.GetBytes(manifest.Id.Value + "\n" + operation)).AsSpan(0, 16).ToArray();
        // The first six bytes are the time of a version 7 id; the point's own does.
        Convert.FromHexString(manifest.Id.Value).AsSpan(0, 6).CopyTo(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x70);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }
}
