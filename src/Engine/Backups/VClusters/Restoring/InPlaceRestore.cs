using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>A host's claim that the syncer would delete once an older store is back, since its virtual one is not in that.</summary>
/// <param name="Claim">Its name on the host.</param>
/// <param name="Volume">The volume that it is bound to; empty where it is not.</param>
/// <param name="ReclaimPolicy">The volume's policy as it is.</param>
public sealed record EndangeredClaim(string Claim, string Volume, string ReclaimPolicy);

/// <summary>
/// Puts a virtual cluster's etcd back where it was: stop, restore the snapshot beside the living directory, exchange the two
/// by renames, start, verify. Objects keep their identity. The former directory stays beside it until somebody removes it.
/// </summary>
/// <param name="registry">Records the processes that are started.</param>
/// <param name="time">The clock.</param>
/// <param name="pauses">Keeps what is paused on this machine; null where nothing looks through it.</param>
public sealed class InPlaceRestore(ProcessRegistry registry, TimeProvider time, PauseLedger? pauses = null)
{
    /// <summary>Claims that were made after the restore point, or whose virtual one is not in it.</summary>
    /// <param name="access">The cluster.</param>
    /// <param name="index">The restore point's objects. One that was being deleted is none of them: the older store goes on deleting it.</param>
    /// <param name="cancellationToken">Ends the looking.</param>
    public static async Task<IReadOnlyList<EndangeredClaim>> EndangeredAsync(VClusterAccess access, IReadOnlyList<CapturedObject> index, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(access);
        ArgumentNullException.ThrowIfNull(index);
        var known = index.Where(one => one is { Key: { Kind: "PersistentVolumeClaim", Group: "" }, IsTerminating: false })
            .Select(one => (one.Namespace, one.Name)).ToHashSet();
        var claims = await VolumeRetention.ClaimsAsync(access, cancellationToken).ConfigureAwait(false);
        var found = new List<EndangeredClaim>();
        foreach (var claim in claims)
        {
            var annotations = claim["metadata"]?["annotations"];
            var key = (annotations?["vcluster.loft.sh/object-namespace"]?.GetValue<string>() ?? "", annotations?["vcluster.loft.sh/object-name"]?.GetValue<string>() ?? "");
            if (known.Contains(key))
            {
                continue;
            }

            var volume = claim["spec"]?["volumeName"]?.GetValue<string>() ?? "";
            var bound = volume.Length == 0 ? null : await access.Host.FindAsync("/api/v1/persistentvolumes/" + volume, cancellationToken).ConfigureAwait(false);
            found.Add(new EndangeredClaim(claim["metadata"]!["name"]!.GetValue<string>(), volume, bound?["spec"]?["persistentVolumeReclaimPolicy"]?.GetValue<string>() ?? ""));
        }

        return found;
    }

    /// <summary>Why watchers of the cluster would not learn of the restore by themselves; null where they do.</summary>
    internal Task<string?> WhyBehindAsync(EtcdFacts facts, CancellationToken cancellationToken) => new RevisionLead(registry, time).WhyNotAsync(facts.Version, cancellationToken);

    /// <summary>Executes it; done again after a crash it goes on where it stopped.</summary>
    /// <param name="work">The confirmed plan; its operation names the directories.</param>
    /// <param name="target">The cluster, with the directory of its volume.</param>
    /// <param name="compare">Looks once more at the living cluster, right before the first effect on it, and throws where it is not what was confirmed.</param>
    /// <param name="cancellationToken">Ends it before the directories are exchanged; afterwards it is brought to its end.</param>
    /// <exception cref="EngineException"><c>store-missing</c>, <c>store-in-use</c>, <c>etcd-restore-failed</c>, <c>restored-cluster-differs</c>.</exception>
    internal async Task<(IReadOnlyList<RestorePhase> Phases, IReadOnlyList<string> Warnings, IReadOnlyList<string> Notes)> ExecuteAsync(
        RestoreWork work, VClusterTarget target, Func<Task<LivingState?>> compare, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(compare);
        var (manifest, operation, log) = (work.Manifest, work.Operation, work.Log);
        var inventory = await ClusterInventory.ReadAsync(work.Repository, manifest, cancellationToken).ConfigureAwait(false);
        var index = await new StoredObjects(work.Repository, manifest).ReadIndexAsync(cancellationToken).ConfigureAwait(false);
        // After a reboot of all of it the host may answer later than this console begins.
        using var access = await new ServerPatience(time).AskAsync(() => VClusterAccess.OpenAsync(target.Settings, time, cancellationToken), cancellationToken).ConfigureAwait(false);
        var places = StorePlaces.Of(target.Store!, operation);
        if (places.IsGoingBack)
        {
            throw new EngineException("restore-taken-back", ErrorKind.Conflict, $"an interrupted attempt had begun to put the former store of {access.Name} back", "restore again");
        }

        var phases = new List<RestorePhase>();
        var pause = new ClusterPause(access, time);
        var held = new RecordedPause(pause, pauses, manifest.Source, access, target, operation);
        var fresh = new FreshStore(work, inventory.Etcd!, places, registry, time);
        LivingState? before = null;
        if (!places.IsExchanged)
        {
            if (!Directory.Exists(places.Former))
            {
                var isTakenOver = await held.TakeOverAsync(cancellationToken).ConfigureAwait(false);
                try
                {
                    await PhaseAsync("unpack", () => fresh.MakeAsync(() => SeenAsync(access, target, cancellationToken), cancellationToken)).ConfigureAwait(false);
                    if (!isTakenOver || !await held.IsHeldAsync(cancellationToken).ConfigureAwait(false))
                    {
                        // After the unpacking, which takes long: what is confirmed must still be so when the cluster stops. One that an interrupted attempt had stopped was compared by it,
                        // unless somebody has started it since.
                        await PhaseAsync("compare", async () => before = await compare().ConfigureAwait(false)).ConfigureAwait(false);
                    }

                    await PhaseAsync("protect", () => ProtectAsync(access, index, operation, log, cancellationToken)).ConfigureAwait(false);
                }
                catch
                {
                    held.GiveUp();
                    throw;
                }
            }

            await ExchangeAsync().ConfigureAwait(false);
        }

        await PhaseAsync("start", async () =>
        {
            await held.StartAsync().ConfigureAwait(false);
            if (!await pause.WaitReadyAsync(cancellationToken).ConfigureAwait(false))
            {
                throw new EngineException("vcluster-not-ready", ErrorKind.Unavailable, $"{access.Name} does not become ready with the restored store", $"look at its log; its former store is {places.Former}");
            }
        }).ConfigureAwait(false);
        InPlaceSight? found = null;
        await PhaseAsync("verify", async () =>
        {
            var look = new InPlaceLook(work.Repository, manifest, target, time, log) { Planned = LivingState.LinesIn(work.Plan.Notes), Before = before, Revision = fresh.Revision };
            found = await look.LookAsync(cancellationToken).ConfigureAwait(false);
            if (found.Fault is { } fault)
            {
                throw new EngineException("restored-cluster-differs", ErrorKind.Conflict, fault, "look at the restore point's validation, and whether store= is the directory of this cluster's volume");
            }
        }).ConfigureAwait(false);
        return (phases, [.. fresh.Warnings, .. found!.Warnings()], found.Identity.LeftOut);

        async Task ExchangeAsync()
        {
            try
            {
                await PhaseAsync("stop", async () =>
                {
                    await held.StopAsync(cancellationToken).ConfigureAwait(false);
                    // Claims may have been made until the very last, and revisions.
                    await ProtectAsync(access, index, operation, log, cancellationToken).ConfigureAwait(false);
                    await StoreLock.RequireFreeAsync(places.Living, access.Name, time, cancellationToken).ConfigureAwait(false);
                    await fresh.PassAsync(cancellationToken).ConfigureAwait(false);
                }).ConfigureAwait(false);
                await PhaseAsync("exchange", async () =>
                {
                    await held.RequireStoppedAsync(cancellationToken).ConfigureAwait(false);
                    await StoreLock.RequireFreeAsync(places.Living, access.Name, time, cancellationToken).ConfigureAwait(false);
                    places.Exchange();
                }).ConfigureAwait(false);
            }
            catch when (Directory.Exists(places.Living))
            {
                // A cancel or a fault must not leave the tenant stopped; without a store it must not be started, it would begin an empty one.
                await held.StartAsync().ConfigureAwait(false);
                throw;
            }
        }

        async Task PhaseAsync(string name, Func<Task> act)
        {
            log?.Invoke("restore", name);
            var began = time.GetTimestamp();
            await act().ConfigureAwait(false);
            phases.Add(new RestorePhase(name, time.GetElapsedTime(began).TotalSeconds));
        }
    }

    /// <summary>Looks whether a cluster has a restore point's objects with their identity; changes nothing.</summary>
    /// <exception cref="EngineException">The cluster does not answer.</exception>
    public async Task<InPlaceFinding> CheckAsync(RestoreWork work, VClusterTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(target);
        var sight = await new InPlaceLook(work.Repository, work.Manifest, target, time, work.Log).LookAsync(cancellationToken).ConfigureAwait(false);
        var found = sight.Identity;
        return sight.Fault is { } fault
            ? new InPlaceFinding(false, fault)
            : new InPlaceFinding(true, string.Join("; ", found.Warnings().Concat(found.LeftOut).Prepend($"{found.Looked - found.Missing.Count} of {found.Looked} objects are back with the identity that they had")));
    }

    /// <summary>The revision that the living store is at; null where its API server does not say.</summary>
    private async Task<long?> SeenAsync(VClusterAccess access, VClusterTarget target, CancellationToken cancellationToken)
    {
        try
        {
            using var api = await access.OpenVirtualAsync(target.Settings, time, cancellationToken).ConfigureAwait(false);
            return await KubeListing.RevisionAsync(api, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException)
        {
            // It is stopped or broken, which may be why it is restored: its store says it once nothing runs on it.
            return null;
        }
    }

    /// <summary>
    /// Puts the former store back where the exchange has taken place, and starts what was stopped. A restored store that was in its place
    /// is kept: the cluster may have run on it for hours, and what its tenants wrote since is nowhere else.
    /// </summary>
    /// <param name="target">The cluster, with the directory of its volume.</param>
    /// <param name="source">The source's name.</param>
    /// <param name="operation">Names the run.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>What was found; null where nothing was.</returns>
    public async Task<string?> UndoAsync(VClusterTarget target, string source, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        // A host that is away for a moment must not leave the tenant stopped.
        using var access = await new ServerPatience(time).AskAsync(() => VClusterAccess.OpenAsync(target.Settings, time, cancellationToken), cancellationToken).ConfigureAwait(false);
        var places = StorePlaces.Of(target.Store!, operation);
        var pause = new ClusterPause(access, time);
        var held = new RecordedPause(pause, pauses, source, access, target, operation);
        var exchanged = Directory.Exists(places.Former);
        var resumed = false;
        try
        {
            if (exchanged)
            {
                await held.StopAsync(cancellationToken).ConfigureAwait(false);
                await StoreLock.RequireFreeAsync(places.Living, access.Name, time, cancellationToken).ConfigureAwait(false);
                places.ExchangeBack();
            }
        }
        finally
        {
            resumed = Directory.Exists(places.Living) && await held.StartAsync().ConfigureAwait(false);
        }

        // All of the cluster's Secrets are in it, in the clear.
        File.Delete(places.Snapshot);
        await LocalFolder.RemoveAsync(places.Work, time, cancellationToken).ConfigureAwait(false);
        await LocalFolder.RemoveAsync(places.Fresh, time, cancellationToken).ConfigureAwait(false);
        await VolumeRetention.PutBackAsync(access, operation, cancellationToken).ConfigureAwait(false);
        var started = !resumed ? "the cluster was not started: its pause is not this run's any more"
            : await pause.IsWantedAsync(cancellationToken).ConfigureAwait(false) ? "the cluster was started"
            : "the cluster is as it was before, with no replicas, and was not started";
        var kept = places.Kept is { Count: > 0 } some ? $"the restored store, into which tenants may have written, is kept as {string.Join(" and ", some)} until somebody removes it; " : "";
        return exchanged ? $"{kept}the former store is back in its place; {started}" : resumed ? started : null;
    }

    /// <summary>True where an operation has exchanged the stores: the cluster may have run on the restored one.</summary>
    internal static bool IsExchanged(VClusterTarget target, string operation) => StorePlaces.Of(target.Store!, operation).IsExchanged;

    /// <summary>True where something of an operation is on the cluster's volume, or its store is not to be seen: then it may be stopped, or have another store.</summary>
    internal static bool IsLeft(VClusterTarget target, string operation)
    {
        var places = StorePlaces.Of(target.Store!, operation);
        return Directory.Exists(places.Former) || Directory.Exists(places.Fresh) || !Directory.Exists(places.Living);
    }

    private static async Task ProtectAsync(VClusterAccess access, IReadOnlyList<CapturedObject> index, string operation, Action<string, string>? log, CancellationToken cancellationToken)
    {
        foreach (var claim in await EndangeredAsync(access, index, cancellationToken).ConfigureAwait(false))
        {
            if (claim is { Volume.Length: > 0, ReclaimPolicy: not "Retain" })
            {
                await VolumeRetention.RetainAsync(access, claim, operation, cancellationToken).ConfigureAwait(false);
                log?.Invoke("protect", $"volume {claim.Volume} of claim {claim.Claim}, which is newer than the restore point, is retained now");
            }
        }
    }
}
