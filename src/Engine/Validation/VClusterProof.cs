using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Step five for a virtual cluster: etcd's snapshot is restored and started as a recovery in place would (<see cref="EtcdProof"/>); then
/// all objects are restored into an empty scratch etcd and API server, and what is there then is compared field by field. Nothing runs in it: no controllers, no Pods; webhooks, conversion webhooks and foreign API
/// services, by which somebody else's cluster could reach out, are off.
/// </summary>
internal sealed class VClusterProof(ProofWork work)
{
    private const string Isolation = "user separated, network not separated: webhooks, conversion webhooks and foreign API services are off";
    private const int NamedObjects = 5;

    public async Task<StepOutcome> RunAsync(CancellationToken cancellationToken)
    {
        if (KubernetesBinaries.Find() is not { } binaries)
        {
            return StepOutcome.CannotProve("no kube-apiserver and etcd on this machine; name a folder that has them in KUBEBUILDER_ASSETS");
        }

        var folder = await ScratchFolder.CreateAsync(work.Options.ScratchRoot, work.Options.ProtectedPaths, work.Registry, cancellationToken);
        await using (folder)
        {
            if (!folder.Isolation.UserSeparated)
            {
                return StepOutcome.CannotProve(folder.Isolation.Reason ?? "the scratch API server cannot be run as a user of its own");
            }

            var options = new KubernetesClusterOptions
            {
                Name = Path.GetFileName(folder.Path),
                Folder = folder.FileOf("cluster"),
                Binaries = await ReachableAsync(binaries, folder, cancellationToken),
                RunAs = folder.User,
                // Without controllers no service account gets a token, which a Pod would be refused for.
                ApiServerArguments = ["--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ServiceAccount"],
            };
            var etcd = await new EtcdProof(work).RunAsync(folder, options, cancellationToken);
            var cluster = new KubernetesCluster(options, work.Registry, work.Time);
            await using (cluster)
            {
                work.Log?.Invoke("restorability", "starting a scratch etcd and API server");
                await cluster.StartAsync(cancellationToken);
                return EtcdProof.Both(etcd, await ProveAsync(cluster, cancellationToken)) with { Isolation = Isolation };
            }
        }
    }

    private async Task<StepOutcome> ProveAsync(KubernetesCluster cluster, CancellationToken cancellationToken)
    {
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(cluster.Kubeconfig), new KubeBudget(8), work.Time);
        var stored = new StoredObjects(work.Repository, work.Manifest);
        var began = work.Time.GetTimestamp();
        var selection = new RestoreSelection { ChangesExisting = true };
        var plan = await new RestorePlanner(api) { IsScratch = true }.PlanAsync(stored, selection, cancellationToken);
        work.Log?.Invoke("restorability", plan.Summary);
        var result = await new ObjectRestore(api, new NoJournal(), work.Time).ExecuteAsync(plan, plan.Hash, work.Progress, cancellationToken);
        var seconds = work.Time.GetElapsedTime(began).TotalSeconds;

        // Planned once more, everything must be there and equal.
        var after = await new RestorePlanner(api) { IsScratch = true }.PlanAsync(stored, selection, cancellationToken);
        var rejected = plan.Objects.Where(one => one.Action is ObjectAction.Refuse or ObjectAction.Conflict).Select(one => $"{one.Target}: {one.Reason}").Concat(result.Failed).ToList();
        var differing = Differing(after, rejected).ToList();
        var equal = after.Objects.Count(one => one is { Action: ObjectAction.Leave, LiveDigest: not null, Differences.Count: 0 });
        var left = after.Objects.Count(one => one is { Action: ObjectAction.Leave, LiveDigest: null });
        var faults = rejected.Select(line => "rejected: " + line).Concat(differing).ToList();
        var outcome = faults.Count == 0
            ? StepOutcome.Passed($"restored into an empty cluster; {equal} objects are equal field by field, and {left} are made anew by every cluster or by their owners")
            : StepOutcome.Failed($"{rejected.Count} objects were rejected by the server and {differing.Count} differ: {string.Join("; ", faults.Take(NamedObjects))}", faults);
        return outcome with { RestoreSeconds = seconds, ComparedObjects = after.Objects.Count };
    }

    /// <summary>What a second plan finds not to be as the restore point has it, each with what is wrong; what was rejected is told already.</summary>
    internal static IEnumerable<string> Differing(ObjectRestorePlan after, IReadOnlyCollection<string> rejected)
    {
        var there = after.Objects.Where(one => one.LiveDigest is not null).Select(one => one.Target).ToHashSet();
        foreach (var one in after.Objects.Where(one => one.Action != ObjectAction.Leave && !LacksOnlyStrangers(one, there)))
        {
            if (!rejected.Any(line => line.StartsWith(one.Target + ":", StringComparison.Ordinal)))
            {
                yield return one.Action switch
                {
                    ObjectAction.Create => $"{one.Target} is missing",
                    _ when one.Differences.Count > 0 => $"{one.Target}: {string.Join(", ", one.Differences.Take(3).Select(field => field.Path))} differ",
                    _ => $"{one.Target}: {one.SteadyReason}",
                };
            }
        }
    }

    /// <summary>True where nothing is wrong but owners that are not restored themselves: a Pod of a controller, or what the restore point never had.</summary>
    private static bool LacksOnlyStrangers(PlannedObject one, HashSet<KubeObjectKey> there)
    {
        if (one is not { Live: { } live, Document: { } document, Differences.Count: > 0 } || one.Differences.Any(field => !field.Path.StartsWith("metadata.ownerReferences", StringComparison.Ordinal)))
        {
            return false;
        }

        var has = ObjectOwners.Of(live);
        var lacks = ObjectOwners.Of(document).Where(owner => !has.Any(other => ObjectOwners.IsSame(owner, other))).ToList();
        return has.Count + lacks.Count == ObjectOwners.Of(document).Count && lacks.TrueForAll(owner => !IsThere(owner));

        bool IsThere(JsonObject owner)
        {
            var key = new KubeObjectKey(KubeObjectKey.GroupOf(owner["apiVersion"]?.GetValue<string>() ?? ""), owner["kind"]?.GetValue<string>() ?? "", one.Target.Namespace, owner["name"]?.GetValue<string>() ?? "");
            return there.Contains(key) || there.Contains(key with { Namespace = "" });
        }
    }

    /// <summary>The scratch user enters no other user's home: it gets the programs in its own folder, as links where that is possible.</summary>
    private async Task<KubernetesBinaries> ReachableAsync(KubernetesBinaries binaries, ScratchFolder folder, CancellationToken cancellationToken)
    {
        var programs = folder.FileOf("programs");
        LocalFolder.CreatePassage(programs);
        async Task<string> BringAsync(string program)
        {
            var copy = Path.Combine(programs, Path.GetFileName(program));
            foreach (var how in (string[])["-lL", "-L"])
            {
                var done = await ToolProcess.RunAsync(new ToolCommand("cp", [how, program, copy]), work.Registry, cancellationToken);
                if (done.ExitCode == 0)
                {
                    return copy;
                }
            }

            throw new EngineException("scratch-program-missing", ErrorKind.Unavailable, $"{program} cannot be brought into {programs}", "look at the space there");
        }

        return binaries with { ApiServer = await BringAsync(binaries.ApiServer), Etcd = await BringAsync(binaries.Etcd), ControllerManager = null };
    }

    /// <summary>A scratch cluster is thrown away, not gone on with.</summary>
    private sealed class NoJournal : IObjectJournal
    {
        public Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<AppliedObject>>([]);

        public Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task ForgetAsync(int position, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
