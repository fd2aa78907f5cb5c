using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>Makes what a snapshot needs in its cluster, and waits for it. What was made is on record before, and removed by <see cref="SnapshotRemoval"/>.</summary>
/// <param name="api">The cluster.</param>
/// <param name="record">Names the objects.</param>
/// <param name="ledger">Has the record; told of each object before it is made.</param>
/// <param name="settings">Those of the volume, with a claim and a snapshot.</param>
/// <param name="log">Told what is waited for, and why.</param>
internal sealed class SnapshotObjects(KubeApi api, SnapshotRecord record, SnapshotLedger ledger, VolumeSettings settings, TimeProvider time, Action<string, string>? log)
{
    private const string Manager = "app.kubernetes.io/managed-by";
    private const string Ours = "drconsole";
    private const string RunLabel = "drconsole.hexabase.io/run";
    private const string SourceAnnotation = "drconsole.hexabase.io/source";
    private const string Phase = "snapshot";
    private string? _run;

    /// <summary>Between two looks at an object that is waited for.</summary>
    public static TimeSpan Glance { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The record as it is now.</summary>
    public SnapshotRecord Record { get; private set; } = record;

    private SnapshotSettings Snapshot => settings.Snapshot!;

    /// <summary>True for what a console has made.</summary>
    public static bool IsOurs(JsonObject found) => found["metadata"]?["labels"]?[Manager]?.GetValue<string>() == Ours;

    /// <summary>The node on which a Pod is to mount a copy.</summary>
    /// <exception cref="EngineException"><c>snapshot-node-missing</c>.</exception>
    public static string RequireNode(VolumeSettings settings) => settings.Node ?? throw new EngineException(
        "snapshot-node-missing", ErrorKind.Input, $"the snapshot of {settings.Claim} is read where a Pod has it mounted, and nothing says on which node",
        "Set Node of the volume to a node of the cluster, and run its agent there: drconsole worker --queues node-NAME. No restore point was made.");

    /// <summary>Asks for the snapshot.</summary>
    /// <param name="run">The run that it is for; null where there is none.</param>
    /// <exception cref="EngineException"><c>snapshots-unserved</c>, <c>snapshot-refused</c>.</exception>
    public Task AskAsync(string? run, CancellationToken cancellationToken)
    {
        _run = run;
        var spec = new JsonObject { ["source"] = new JsonObject { ["persistentVolumeClaimName"] = settings.Claim!.Name } };
        if (Snapshot.Class is { } name)
        {
            spec["volumeSnapshotClassName"] = name;
        }

        log?.Invoke(Phase, $"VolumeSnapshot {Record.Namespace}/{Record.Name} of {settings.Claim}");
        return CreateAsync(KubeVolumes.Snapshots, spec, cancellationToken);
    }

    /// <summary>
    /// Waits until the storage has cut the snapshot: from then on nothing that is written goes into it. Its controller repeats what fails; only
    /// while writers wait an error is the end of it.
    /// </summary>
    /// <exception cref="EngineException"><c>snapshot-failed</c>, <c>snapshot-timeout</c>.</exception>
    public async Task<DateTimeOffset> WaitCutAsync(bool writersWait, CancellationToken cancellationToken)
    {
        var cut = await WaitSnapshotAsync("cut", status => status["creationTime"] is not null || IsReady(status), writersWait, cancellationToken).ConfigureAwait(false);
        return KubeVolumes.TimeOf(cut["status"]!["creationTime"]) ?? time.GetUtcNow();
    }

    /// <summary>Waits until a claim can be made from it.</summary>
    /// <returns>The snapshot.</returns>
    /// <exception cref="EngineException">As <see cref="WaitCutAsync"/>.</exception>
    public Task<JsonObject> WaitReadyAsync(CancellationToken cancellationToken) => WaitSnapshotAsync("ready", IsReady, isErrorTheEnd: false, cancellationToken);

    /// <summary>Makes a claim from the snapshot, and where its volume is no directory that can be read here a Pod that has it mounted on the node.</summary>
    /// <param name="source">The claim that the snapshot is of.</param>
    /// <param name="snapshot">The snapshot, which is ready.</param>
    /// <returns>The directory that holds the copy.</returns>
    /// <exception cref="EngineException"><c>snapshot-refused</c>, <c>snapshot-timeout</c>, <c>snapshot-copy-foreign</c>, <c>snapshot-node-missing</c>, <c>claim-path-refused</c>, <c>claim-unmounted</c>.</exception>
    public async Task<string> CopyAsync(JsonObject source, JsonObject snapshot, CancellationToken cancellationToken)
    {
        var made = await CreateAsync(KubeVolumes.Claims, ClaimSpec(source, snapshot), cancellationToken).ConfigureAwait(false);
        var hasPod = await WaitsForPodAsync(made, cancellationToken).ConfigureAwait(false);
        if (hasPod)
        {
            await CreatePodAsync(cancellationToken).ConfigureAwait(false);
        }

        var claim = await WaitAsync(
            KubeVolumes.Claims, $"claim {Record.Name} was bound", found => KubeVolumes.PhaseOf(found) == "Bound", found => $"it is {KubeVolumes.PhaseOf(found)}", cancellationToken).ConfigureAwait(false);
        var volume = await api.GetAsync(KubeVolumes.Volumes.PathOf(null, BoundVolume.NameIn(claim)!), cancellationToken).ConfigureAwait(false);
        if (!KubeVolumes.IsMadeFor(claim, volume))
        {
            throw new EngineException("snapshot-copy-foreign", ErrorKind.Conflict, $"claim {Record.Name}, made from the snapshot, was bound to volume {KubeVolumes.NameOf(volume)}, which lay ready and does not hold it",
                "Set Snapshot:StorageClass to a class of the snapshot's driver that has no volumes made beforehand. No restore point was made.");
        }

        var bound = new BoundVolume(KubeVolumes.NameOf(volume), (JsonObject)volume["spec"]!, "");
        if (bound.Directory is not null)
        {
            return (await ClaimPlace.FindAsync(api, settings, bound, cancellationToken).ConfigureAwait(false)).Path;
        }

        if (!hasPod)
        {
            await CreatePodAsync(cancellationToken).ConfigureAwait(false);
        }

        var pod = await WaitAsync(KubeVolumes.Pods, $"Pod {Record.Name} ran", found => KubeVolumes.PhaseOf(found) is "Running", PodReason, cancellationToken).ConfigureAwait(false);
        return KubeletMount.Find(settings.Claim!.KubeletDirectory, pod, bound.Name) ?? throw new EngineException("claim-unmounted", ErrorKind.Unavailable,
            $"Pod {Record.Name} runs on {KubeVolumes.NodeOf(pod)}, and its volume {bound.Name} is not mounted below {settings.Claim.KubeletDirectory} here",
            "Check that this worker runs on that node (Node), sees the kubelet's mounts (a container needs mountPropagation HostToContainer), and Claim:KubeletDirectory. No restore point was made.");
    }

    private static bool IsReady(JsonNode status) => status["readyToUse"]?.GetValue<bool>() == true;

    private static string? ErrorOf(JsonObject snapshot) => snapshot["status"]?["error"]?["message"]?.GetValue<string>();

    private async Task<JsonObject> WaitSnapshotAsync(string aim, Func<JsonNode, bool> isSo, bool isErrorTheEnd, CancellationToken cancellationToken)
    {
        string? told = null;
        return await WaitAsync(
            KubeVolumes.Snapshots, $"VolumeSnapshot {Record.Name} was {aim}",
            found =>
            {
                if (ErrorOf(found) is { } error && error != told)
                {
                    told = error;
                    log?.Invoke(Phase, error);
                    if (isErrorTheEnd)
                    {
                        throw new EngineException("snapshot-failed", ErrorKind.Unavailable, $"VolumeSnapshot {Record.Name} of {settings.Claim} failed: {error}",
                            "Its controller would try again, but writers wait meanwhile. Look at Snapshot:Class and at the driver's log; no restore point was made.");
                    }
                }

                return found["status"] is { } status && isSo(status);
            },
            found => ErrorOf(found) is { } error ? $"it says: {error}" : "its status says nothing of an error; look whether a snapshot controller runs", cancellationToken).ConfigureAwait(false);
    }

    private static JsonObject Copy(JsonNode? node) => node is JsonObject found ? (JsonObject)found.DeepClone() : [];

    private JsonObject ClaimSpec(JsonObject source, JsonObject snapshot)
    {
        var from = source["spec"]!;
        // What the copy needs, which may be more than the claim asked for at first, where it was enlarged.
        var size = snapshot["status"]?["restoreSize"]?.GetValue<string>() is { } needed and not "0" ? needed : source["status"]?["capacity"]?["storage"]?.GetValue<string>();
        var resources = Copy(from["resources"]);
        if (size is not null)
        {
            resources["requests"] = new JsonObject { ["storage"] = size };
        }

        var spec = new JsonObject
        {
            ["accessModes"] = from["accessModes"]!.DeepClone(),
            ["resources"] = resources,
            ["dataSource"] = new JsonObject { ["apiGroup"] = KubeVolumes.SnapshotGroup, ["kind"] = KubeVolumes.Snapshots.Kind, ["name"] = Record.Name },
        };
        if ((Snapshot.StorageClass ?? from["storageClassName"]?.GetValue<string>()) is { } name)
        {
            spec["storageClassName"] = name;
        }

        return spec;
    }

    /// <summary>True where the class makes a volume only when a Pod asks for it, or where nobody may know that.</summary>
    private async Task<bool> WaitsForPodAsync(JsonObject claim, CancellationToken cancellationToken)
    {
        if (claim["spec"]?["storageClassName"]?.GetValue<string>() is not { Length: > 0 } name)
        {
            return false;
        }

        var answer = await api.SendAsync(HttpMethod.Get, KubeVolumes.Classes.PathOf(null, name), null, null, cancellationToken).ConfigureAwait(false);
        return answer.Status == 403 ? settings.Node is not null : answer.Body?["volumeBindingMode"]?.GetValue<string>() == "WaitForFirstConsumer";
    }

    private async Task CreatePodAsync(CancellationToken cancellationToken)
    {
        var node = RequireNode(settings);
        log?.Invoke(Phase, $"Pod {Record.Namespace}/{Record.Name} mounts the copy on node {node}");
        await CreateAsync(KubeVolumes.Pods, SnapshotPod.Spec(Record.Name, node, Snapshot.PodImage), cancellationToken).ConfigureAwait(false);
    }

    private async Task<JsonObject> CreateAsync(KubeResource resource, JsonObject spec, CancellationToken cancellationToken)
    {
        var metadata = new JsonObject
        {
            ["name"] = Record.Name,
            ["namespace"] = Record.Namespace,
            ["labels"] = new JsonObject { [Manager] = Ours },
            ["annotations"] = new JsonObject { [SourceAnnotation] = Record.Source },
        };
        if (_run is not null)
        {
            metadata["labels"]![RunLabel] = _run;
        }

        var body = new JsonObject { ["apiVersion"] = resource.ApiVersion, ["kind"] = resource.Kind, ["metadata"] = metadata, ["spec"] = spec };
        var before = Record;
        ledger.Write(Record = before with { Made = before.Made + 1 });
        var answer = await api.CreateAsync(resource.PathOf(Record.Namespace), body, false, cancellationToken).ConfigureAwait(false);
        if (answer.Status is >= 400 and < 500)
        {
            // It was not made, and who may not make it may not look for it either.
            ledger.Write(Record = before);
        }

        return answer switch
        {
            { IsSuccess: true, Body: { } made } => made,
            { Status: 404 } when resource == KubeVolumes.Snapshots => throw new EngineException(
                "snapshots-unserved", ErrorKind.Unsupported, $"the cluster at {api.Address} serves no VolumeSnapshots ({resource.ApiVersion}), or has no namespace {Record.Namespace}",
                "Install the snapshot controller of Kubernetes and its definitions, or leave Snapshot out. No restore point was made."),
            { Status: 401 or 403 } => throw new EngineException(
                "snapshot-refused", ErrorKind.Denied, $"the cluster refuses a {resource.Kind} for the snapshot of {settings.Claim}: {answer.Message}",
                $"Give the user of {Record.Kubeconfig} the Role in docs/volumes.md, or look at what the namespace allows. No restore point was made."),
            _ => throw new EngineException(
                "snapshot-refused", ErrorKind.Unavailable, $"the cluster takes no {resource.Kind} for the snapshot of {settings.Claim}: {answer.Message}",
                "Look at Snapshot of the volume, and at the namespace's quota. No restore point was made.") { IsTransient = answer.Status is >= 500 or 429 },
        };
    }

    private static string PodReason(JsonObject pod)
    {
        var waiting = (pod["status"]?["containerStatuses"] as JsonArray)?[0]?["state"]?["waiting"];
        var unscheduled = (pod["status"]?["conditions"] as JsonArray ?? []).FirstOrDefault(one => one?["type"]?.GetValue<string>() == "PodScheduled" && one["status"]?.GetValue<string>() == "False");
        var why = waiting?["message"] ?? waiting?["reason"] ?? unscheduled?["message"] ?? pod["status"]?["message"];
        return $"it is {KubeVolumes.PhaseOf(pod)}{(why is null ? "" : $": {why.GetValue<string>()}")}";
    }

    private async Task<JsonObject> WaitAsync(KubeResource resource, string what, Func<JsonObject, bool> isSo, Func<JsonObject, string> reason, CancellationToken cancellationToken)
    {
        var (path, began) = (resource.PathOf(Record.Namespace, Record.Name), time.GetTimestamp());
        while (true)
        {
            var found = await api.GetAsync(path, cancellationToken).ConfigureAwait(false);
            if (isSo(found))
            {
                return found;
            }

            if (time.GetElapsedTime(began) > Snapshot.ReadyTimeout || KubeVolumes.PhaseOf(found) is "Failed")
            {
                throw new EngineException("snapshot-timeout", ErrorKind.Unavailable, $"{what} not within {Snapshot.ReadyTimeout:c}, for the backup of {settings.Claim}: {reason(found)}",
                    $"Look at the events of its namespace {Record.Namespace}; Snapshot:ReadyTimeout gives more time. All of it is removed again; no restore point was made.");
            }

            await Task.Delay(Glance, time, cancellationToken).ConfigureAwait(false);
        }
    }
}
