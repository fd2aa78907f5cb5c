using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>
/// The data of claims that a restore of objects makes anew. Most provisioners make a volume when the first Pod asks for it, and a workload
/// that finds it empty begins to fill it by itself: so a Pod of the restore's own asks for it, the data comes, and only then whatever may
/// use it is restored. That Pod need not run; a volume is made for it as soon as it is given to a node.
/// </summary>
/// <param name="volumes">Writes the data.</param>
/// <param name="notes">Knows which claims have theirs.</param>
internal sealed class NewClaimData(VolumeRestoreDriver volumes, ObjectRestoreCatalog notes, TimeProvider time)
{
    /// <summary>What a plan says of such a claim, behind its name.</summary>
    public const string Awaited = "comes into the volume that the new claim gets";

    /// <summary>On the restore's own Pods.</summary>
    private const string Label = "drconsole.hexabase.io/claim-data";

    /// <summary>Any image: whether it can be had does not matter.</summary>
    private const string Image = "registry.k8s.io/pause:3.9";

    private const int FewestFiles = 10;
    private static readonly KubeResource s_pods = new("", "v1", "pods", "Pod", true);
    private static readonly TimeSpan s_every = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_leaving = TimeSpan.FromMinutes(1);

    /// <summary>So long all volumes together may take to be made.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A claim of the plan, by its place in it.</summary>
    private sealed record Awaiting(int Position, KubeObjectKey Source, KubeObjectKey Target);

    /// <summary>The note that a claim of the plan has its data, or is left without it; no object has this position, nor has the beginning of the work.</summary>
    public static int NoteOf(int position) => -2 - position;

    /// <summary>What a plan says of a claim that the restore makes.</summary>
    public static string Head(string name, string directory) =>
        $"{name}{Awaited}, before anything that may use it is restored; a Pod of this restore asks for that volume, and goes again. Where no volume is made that is a directory below {directory} here, the restore is taken back";

    /// <summary>Brings the data of each new claim; what an interrupted attempt finished is left.</summary>
    /// <param name="work">The restore, with the plan that was confirmed.</param>
    /// <param name="plan">Its objects.</param>
    /// <param name="api">The virtual cluster, in which the claims are by now.</param>
    /// <returns>A sentence for each claim that has not got its data.</returns>
    /// <exception cref="EngineException"><c>claim-not-filled</c>: there is no volume to write into; what the volumes' driver says.</exception>
    public async Task<IReadOnlyList<string>> FillAsync(RestoreWork work, ObjectRestorePlan plan, KubeApi api, CancellationToken cancellationToken)
    {
        var noted = (await notes.ReadAsync(work.Operation, cancellationToken)).ToDictionary(note => note.Position, note => note.Uid);
        var (missing, left) = (new List<string>(), new List<Awaiting>());
        foreach (var claim in In(work.Plan.Notes, plan))
        {
            if (noted.TryGetValue(NoteOf(claim.Position), out var why))
            {
                missing.AddRange(why.Length == 0 ? [] : new[] { why });
            }
            else if (noted.GetValueOrDefault(claim.Position) is not { Length: > 0 })
            {
                missing.Add(await NoteAsync(work, claim, "this restore has not made the claim"));
            }
            else
            {
                left.Add(claim);
            }
        }

        if (left.Count == 0)
        {
            return missing;
        }

        var target = (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var server = new ServerPatience(time);
        using var access = await server.AskAsync(() => VClusterAccess.OpenAsync(target.Settings, time, cancellationToken), cancellationToken);
        var finder = new ClaimVolumes(access, target.Settings);
        var hosts = await server.AskAsync(() => VolumeRetention.ClaimsAsync(access, cancellationToken), cancellationToken);
        var node = await NodeAsync(access, hosts, target.Volumes!, cancellationToken);
        foreach (var claim in left.Where(claim => hosts.Find(host => ClaimDataRestore.IsTwin(host, claim.Target)) is not { } host || BoundVolume.NameIn(host) is null))
        {
            await AskForVolumeAsync(api, claim.Target, work.Operation, node, server, cancellationToken);
        }

        var began = time.GetTimestamp();
        foreach (var claim in left)
        {
            var path = await WaitBoundAsync(access, finder, claim.Target, began, server, cancellationToken);
            work.Log?.Invoke("restore", $"{ClaimDataRestore.Note}{claim.Target.Namespace}/{claim.Target.Name}: into {path}");
            if (await FillAsync(work, claim, path, target.Volumes!, cancellationToken) is { } why)
            {
                missing.Add(why);
            }
        }

        return [.. missing, .. await RemovePodsAsync(api, work.Plan.Notes, plan, work.Operation, cancellationToken)];
    }

    /// <summary>Removes the restore's own Pods: their claims cannot go before them.</summary>
    /// <returns>A sentence for each that is still there after a minute.</returns>
    public async Task<IReadOnlyList<string>> RemovePodsAsync(KubeApi api, IReadOnlyList<string> planNotes, ObjectRestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        var server = new ServerPatience(time);
        var going = In(planNotes, plan).Select(claim => (claim.Target.Namespace, Name: PodOf(operation, claim.Target))).ToList();
        foreach (var (ns, name) in going)
        {
            await server.AskAsync(
                async () =>
                {
                    var answer = await api.DeleteAsync(s_pods.PathOf(ns, name), null, cancellationToken);
                    return answer.IsSuccess || answer.Status == 404 ? answer : throw answer.ToFault($"removing Pod {ns}/{name} of this restore");
                }, cancellationToken);
        }

        var began = time.GetTimestamp();
        while (true)
        {
            var still = new List<string>();
            foreach (var (ns, name) in going)
            {
                if (await server.AskAsync(() => api.FindAsync(s_pods.PathOf(ns, name), cancellationToken), cancellationToken) is not null)
                {
                    still.Add($"Pod {ns}/{name} of this restore is still there");
                }
            }

            if (still.Count == 0 || time.GetElapsedTime(began) > s_leaving)
            {
                return still;
            }

            await Task.Delay(s_every, time, cancellationToken);
        }
    }

    /// <summary>Forgets which claims have their data, where the restore was taken back.</summary>
    public async Task ForgetAsync(string operation)
    {
        foreach (var (position, _) in (await notes.ReadAsync(operation, CancellationToken.None)).Where(note => note.Position <= NoteOf(0)))
        {
            await notes.ForgetAsync(operation, position, CancellationToken.None);
        }
    }

    /// <summary>The claims of the plan that its confirmed notes say to be filled.</summary>
    private static IEnumerable<Awaiting> In(IReadOnlyList<string> planNotes, ObjectRestorePlan plan)
    {
        var named = planNotes.Where(note => note.StartsWith(ClaimDataRestore.Note, StringComparison.Ordinal)).Select(note => note[ClaimDataRestore.Note.Length..].Split(": ", 2))
            .Where(parts => parts is [_, var what] && what.StartsWith(Awaited, StringComparison.Ordinal)).Select(parts => parts[0]).ToHashSet(StringComparer.Ordinal);
        return named.Count == 0 ? [] : plan.Objects.Index()
            .Where(one => one.Item is { Action: ObjectAction.Create, Target: { Kind: "PersistentVolumeClaim", Group: "" } } && named.Contains($"{one.Item.Target.Namespace}/{one.Item.Target.Name}"))
            .Select(one => new Awaiting(one.Index, one.Item.Source, one.Item.Target));
    }

    /// <returns>Why it has not got its data; null where it has.</returns>
    private async Task<string?> FillAsync(RestoreWork work, Awaiting claim, string path, string root, CancellationToken cancellationToken)
    {
        var own = VolumeUndo.NameOf(work.Operation);
        if (!Path.Exists(Path.Combine(path, own)) && Directory.EnumerateFileSystemEntries(path).Any(entry => Path.GetFileName(entry) != "lost+found"))
        {
            // One that was kept for this claim, perhaps: nobody has seen what would be written over.
            return await NoteAsync(work, claim, $"its volume {path} holds something and is left as it is; restore its data by itself");
        }

        var place = new DirectoryTarget(path) { InPlace = true, Part = $"{claim.Source.Namespace}/{claim.Source.Name}" };
        var plan = await volumes.PlanAsync(work.Repository, work.Manifest, place, FewestFiles, cancellationToken);
        var part = work with { Plan = plan, ConfirmedHash = plan.Hash };
        if (await volumes.FindFinishedAsync(part, cancellationToken) is null)
        {
            await volumes.ExecuteAsync(part, cancellationToken);
        }

        await notes.NoteAsync(work.Operation, NoteOf(claim.Position), "", CancellationToken.None);
        // Nothing was in it before that a way back would need: with the claim goes all of it.
        using var held = HeldDirectory.TryOpen(path, [root]);
        using var undo = held is null ? null : UndoFolder.TryOpen(held, own);
        undo?.Remove();
        return null;
    }

    private async Task<string> NoteAsync(RestoreWork work, Awaiting claim, string why)
    {
        var said = $"{ClaimDataRestore.Note}{claim.Target.Namespace}/{claim.Target.Name}: not restored, since {why}";
        await notes.NoteAsync(work.Operation, NoteOf(claim.Position), said, CancellationToken.None);
        return said;
    }

    private async Task<string> WaitBoundAsync(VClusterAccess access, ClaimVolumes finder, KubeObjectKey claim, long began, ServerPatience server, CancellationToken cancellationToken)
    {
        while (true)
        {
            var host = (await server.AskAsync(() => VolumeRetention.ClaimsAsync(access, cancellationToken), cancellationToken)).Find(one => ClaimDataRestore.IsTwin(one, claim));
            var problem = "its syncer has not brought it to the host";
            if (host is not null)
            {
                (_, var path, problem) = await server.AskAsync(() => finder.FindAsync(host, cancellationToken), cancellationToken);
                if (path is not null)
                {
                    return path;
                }
            }

            if (time.GetElapsedTime(began) > Longest)
            {
                throw new EngineException(
                    "claim-not-filled", ErrorKind.Conflict,
                    string.Create(CultureInfo.InvariantCulture, $"claim {claim.Namespace}/{claim.Name} has no volume that its data can be written into, {Longest.TotalSeconds:0} s after it was asked for: {problem}"),
                    "look at the claim's events on the host; restore without volumes=, and its data by itself once it is bound");
            }

            await Task.Delay(s_every, time, cancellationToken);
        }
    }

    /// <summary>The node whose directories are seen here, by the volumes that the cluster has already; null where none tells.</summary>
    private static async Task<string?> NodeAsync(VClusterAccess access, IEnumerable<JsonObject> hosts, string root, CancellationToken cancellationToken)
    {
        foreach (var host in hosts.Where(host => BoundVolume.NameIn(host) is not null))
        {
            try
            {
                var volume = await BoundVolume.FindAsync(access.Host, host, cancellationToken);
                if (volume.Directory is not null && volume.Nodes is [var node] && volume.Look(root).Path is not null)
                {
                    return node;
                }
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.Denied)
            {
                return null;
            }
        }

        return null;
    }

    /// <summary>A Pod that mounts the claim and does nothing, within what namespaces of the strictest kind allow.</summary>
    private async Task AskForVolumeAsync(KubeApi api, KubeObjectKey claim, string operation, string? node, ServerPatience server, CancellationToken cancellationToken)
    {
        var name = PodOf(operation, claim);
        var body = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = claim.Namespace, ["labels"] = new JsonObject { [Label] = "true" } },
            ["spec"] = new JsonObject
            {
                ["restartPolicy"] = "Never",
                ["terminationGracePeriodSeconds"] = 0,
                ["automountServiceAccountToken"] = false,
                ["securityContext"] = new JsonObject { ["runAsNonRoot"] = true, ["runAsUser"] = 65534, ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" } },
                ["containers"] = new JsonArray(new JsonObject
                {
                    ["name"] = "wait",
                    ["image"] = Image,
                    ["securityContext"] = new JsonObject { ["allowPrivilegeEscalation"] = false, ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") } },
                    ["resources"] = new JsonObject
                    {
                        ["requests"] = new JsonObject { ["cpu"] = "1m", ["memory"] = "8Mi" },
                        ["limits"] = new JsonObject { ["cpu"] = "50m", ["memory"] = "32Mi" },
                    },
                    ["volumeMounts"] = new JsonArray(new JsonObject { ["name"] = "data", ["mountPath"] = "/data" }),
                }),
                ["volumes"] = new JsonArray(new JsonObject { ["name"] = "data", ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim.Name } }),
            },
        };
        if (node is not null)
        {
            body["spec"]!["nodeSelector"] = new JsonObject { ["kubernetes.io/hostname"] = node };
        }

        var began = time.GetTimestamp();
        while (true)
        {
            var answer = await server.AskAsync(
                async () =>
                {
                    var said = await api.CreateAsync(s_pods.PathOf(claim.Namespace), body, isDryRun: false, cancellationToken);
                    ServerPatience.Require(said, $"asking for the volume of {claim}");
                    return said;
                }, cancellationToken);
            if (answer.IsSuccess || answer.Reason == "AlreadyExists")
            {
                return;
            }

            // A namespace that was made a moment ago has no service account yet.
            if (time.GetElapsedTime(began) > Longest)
            {
                throw new EngineException(
                    "claim-not-filled", ErrorKind.Conflict, $"the server takes no Pod that asks for the volume of {claim.Namespace}/{claim.Name}: {answer.Message}",
                    "look at what refuses it; restore without volumes=, and the data by itself once the claim is bound");
            }

            await Task.Delay(s_every, time, cancellationToken);
        }
    }

    /// <summary>The same for each attempt, and no other restore's.</summary>
    private static string PodOf(string operation, KubeObjectKey claim) =>
        $"drconsole-data-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{operation} {claim.Namespace}/{claim.Name}")))[..16]}";
}
