using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// Removes what was made for a snapshot: the Pod, then the claim with its volume, then the snapshot with its content, each when the
/// one before is gone. Done twice it is done once; objects of these names that are not ours are left alone.
/// </summary>
internal sealed class SnapshotRemoval(KubeApi api, SnapshotRecord record, TimeProvider time)
{
    private const string Retain = "Retain";
    private const string Delete = "Delete";
    private readonly List<string> _unseen = [];

    /// <summary>Removes them. No cancel ends it, only the record's time-out for each.</summary>
    /// <returns>What could not be looked at, a sentence each.</returns>
    /// <exception cref="EngineException"><c>snapshot-left</c>, with what to type; <c>api-unreachable</c>.</exception>
    public async Task<IReadOnlyList<string>> RunAsync()
    {
        foreach (var resource in KubeVolumes.MadeInOrder.Take(record.Made).Reverse())
        {
            await RemoveAsync(resource).ConfigureAwait(false);
        }

        return _unseen;
    }

    /// <summary>What an object stands for and goes with it, and what says whether it does; null for a Pod.</summary>
    private static (string Path, string Policy)? Behind(KubeResource resource, JsonObject found) =>
        resource == KubeVolumes.Claims && found["spec"]?["volumeName"]?.GetValue<string>() is { Length: > 0 } volume ? (KubeVolumes.Volumes.PathOf(null, volume), "persistentVolumeReclaimPolicy")
        : resource == KubeVolumes.Snapshots && found["status"]?["boundVolumeSnapshotContentName"]?.GetValue<string>() is { Length: > 0 } content ? (KubeVolumes.Contents.PathOf(null, content), "deletionPolicy")
        : null;

    private async Task RemoveAsync(KubeResource resource)
    {
        var path = resource.PathOf(record.Namespace, record.Name);
        if (await api.FindAsync(path, CancellationToken.None).ConfigureAwait(false) is not { } found || !SnapshotObjects.IsOurs(found))
        {
            return;
        }

        // Somebody else's volume, to which the claim was bound by mistake, is nobody's to wait for.
        var behind = Behind(resource, found) is { } one && await LetGoAsync(one.Path, found, one.Policy).ConfigureAwait(false) ? one.Path : null;

        var answer = await api.DeleteAsync(path, KubeVolumes.UidOf(found), CancellationToken.None).ConfigureAwait(false);
        if (!answer.IsSuccess && answer.Status is not (404 or 409))
        {
            throw Left($"{resource.Kind} {record.Name} cannot be deleted: {answer.Message}");
        }

        await WaitGoneAsync(path, $"{resource.Kind} {record.Name}").ConfigureAwait(false);
        if (behind is not null)
        {
            await WaitGoneAsync(behind, behind).ConfigureAwait(false);
        }
    }

    /// <summary>A class that keeps what is deleted would keep one copy of each backup.</summary>
    /// <returns>False where it was not made for the object, and stays.</returns>
    private async Task<bool> LetGoAsync(string path, JsonObject made, string policy)
    {
        var answer = await api.SendAsync(HttpMethod.Get, path, null, null, CancellationToken.None).ConfigureAwait(false);
        if (answer is not { IsSuccess: true, Body: { } found })
        {
            // What is gone, or may not be seen, is left to its class. Any other answer says nothing of it, and without the object in front nobody would find it again.
            return answer.Status is 404 or 403 ? true : throw Left($"{path} cannot be looked at: {answer.Message}");
        }

        if (!KubeVolumes.IsMadeFor(made, found))
        {
            return false;
        }

        if (found["spec"]?[policy]?.GetValue<string>() == Retain)
        {
            var patched = await api.PatchAsync(path, new JsonObject { ["spec"] = new JsonObject { [policy] = Delete } }, CancellationToken.None).ConfigureAwait(false);
            if (!patched.IsSuccess)
            {
                throw Left($"{path} is kept by its class (Retain), and may not be let go: {patched.Message}");
            }
        }

        return true;
    }

    private async Task WaitGoneAsync(string path, string name)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var answer = await api.SendAsync(HttpMethod.Get, path, null, null, CancellationToken.None).ConfigureAwait(false);
            switch (answer.Status)
            {
                case 404:
                    return;
                case 403:
                    _unseen.Add($"whether {name} is gone cannot be seen: {answer.Message}");
                    return;
            }

            if (time.GetElapsedTime(began).TotalSeconds > record.TimeoutSeconds)
            {
                var holders = answer.Body?["metadata"]?["finalizers"] is JsonArray { Count: > 0 } finalizers ? $"; it is held by {string.Join(", ", finalizers)}" : "";
                throw Left($"{name} was deleted and is still there after {record.TimeoutSeconds:0} s{holders}");
            }

            await Task.Delay(SnapshotObjects.Glance, time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private EngineException Left(string what) => new("snapshot-left", ErrorKind.Unavailable, $"what was made for a snapshot of {record.Source} is not all gone: {what}",
        $"Remove it: {record.RemoveCommand}. The console tries again by itself, and before the next backup of it.");
}
