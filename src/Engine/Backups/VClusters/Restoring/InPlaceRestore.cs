using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

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
    private static readonly TimeSpan s_lookFor = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(2);

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

    /// <summary>Executes it; done again after a crash it goes on where it stopped.</summary>
    /// <param name="repository">Where the restore point is.</param>
    /// <param name="manifest">The restore point.</param>
    /// <param name="target">The cluster, with the directory of its volume.</param>
    /// <param name="operation">Names the run.</param>
    /// <param name="compare">Looks once more at the living cluster, right before the first effect on it, and throws where it is not what was confirmed.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <param name="cancellationToken">Ends it before the directories are exchanged; afterwards it is brought to its end.</param>
    /// <exception cref="EngineException"><c>store-missing</c>, <c>store-in-use</c>, <c>etcd-restore-failed</c>, <c>restored-cluster-differs</c>.</exception>
    public async Task<(IReadOnlyList<RestorePhase> Phases, IReadOnlyList<string> Warnings, IReadOnlyList<string> Notes)> ExecuteAsync(
        BackupRepository repository, Manifest manifest, VClusterTarget target, string operation, Func<Task> compare, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(repository);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(compare);
        var inventory = await ClusterInventory.ReadAsync(repository, manifest, cancellationToken).ConfigureAwait(false);
        var index = await new StoredObjects(repository, manifest).ReadIndexAsync(cancellationToken).ConfigureAwait(false);
        using var access = await VClusterAccess.OpenAsync(target.Settings, time, cancellationToken).ConfigureAwait(false);
        var places = Places.Of(target.Store!, operation);
        var phases = new List<RestorePhase>();
        var pause = new ClusterPause(access, time);
        var held = new RecordedPause(pause, pauses, manifest.Source, access, target, operation);
        if (!places.IsExchanged)
        {
            if (!Directory.Exists(places.Former))
            {
                await PhaseAsync("unpack", () => UnpackAsync(repository, manifest, inventory.Etcd!, places, cancellationToken)).ConfigureAwait(false);
                if (!await held.IsHeldAsync(cancellationToken).ConfigureAwait(false))
                {
                    // After the unpacking, which takes long: what is confirmed must still be so when the cluster stops. One that an interrupted attempt had stopped was compared by it.
                    await PhaseAsync("compare", compare).ConfigureAwait(false);
                }

                await PhaseAsync("protect", () => ProtectAsync(access, index, operation, log, cancellationToken)).ConfigureAwait(false);
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
        IdentityCheck? found = null;
        await PhaseAsync("verify", async () =>
        {
            found = await LookAsync(access, target, index, log, cancellationToken).ConfigureAwait(false);
            if (!found.IsAsStored)
            {
                throw new EngineException("restored-cluster-differs", ErrorKind.Conflict, found.MissingText, "the former store is put back; look at the restore point's validation");
            }
        }).ConfigureAwait(false);
        return (phases, [.. found!.Warnings()], found.LeftOut);

        async Task ExchangeAsync()
        {
            try
            {
                await PhaseAsync("stop", async () =>
                {
                    await held.StopAsync(cancellationToken).ConfigureAwait(false);
                    // Claims may have been made until the very last.
                    await ProtectAsync(access, index, operation, log, cancellationToken).ConfigureAwait(false);
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
    public async Task<InPlaceFinding> CheckAsync(StoredObjects stored, VClusterTarget target, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(target);
        using var access = await VClusterAccess.OpenAsync(target.Settings, time, cancellationToken).ConfigureAwait(false);
        var found = await LookAsync(access, target, await stored.ReadIndexAsync(cancellationToken).ConfigureAwait(false), log, cancellationToken).ConfigureAwait(false);
        return found.IsAsStored
            ? new InPlaceFinding(true, string.Join("; ", found.Warnings().Concat(found.LeftOut).Prepend($"{found.Looked - found.Missing.Count} of {found.Looked} objects are back with the identity that they had")))
            : new InPlaceFinding(false, found.MissingText);
    }

    /// <summary>Puts the former store back where the exchange has taken place, and starts what was stopped.</summary>
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
        var places = Places.Of(target.Store!, operation);
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
        await LocalFolder.RemoveAsync(places.Fresh, time, cancellationToken).ConfigureAwait(false);
        await VolumeRetention.PutBackAsync(access, operation, cancellationToken).ConfigureAwait(false);
        var started = !resumed ? "the cluster was not started: its pause is not this run's any more"
            : await pause.IsWantedAsync(cancellationToken).ConfigureAwait(false) ? "the cluster was started"
            : "the cluster is as it was before, with no replicas, and was not started";
        return exchanged ? $"the former store is back in its place; {started}" : resumed ? started : null;
    }

    /// <summary>True where something of an operation is on the cluster's volume, or its store is not to be seen: then it may be stopped, or have another store.</summary>
    internal static bool IsLeft(VClusterTarget target, string operation)
    {
        var places = Places.Of(target.Store!, operation);
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

    private async Task UnpackAsync(BackupRepository repository, Manifest manifest, EtcdFacts facts, Places places, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(places.Living))
        {
            throw new EngineException("store-missing", ErrorKind.NotFound, $"there is no {places.Living}", "name the directory of the cluster's volume, as this machine sees it, in store=");
        }

        await LocalFolder.RemoveAsync(places.Fresh, time, cancellationToken).ConfigureAwait(false);
        var snapshot = places.Snapshot;
        try
        {
            await EtcdTool.WriteSnapshotAsync(repository, manifest, facts, snapshot, cancellationToken).ConfigureAwait(false);
            await EtcdTool.RestoreAsync(snapshot, places.Fresh, facts.MemberName, facts.PeerUrls[0], registry, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            File.Delete(snapshot);
        }

        // The store belongs to whoever runs it.
        var given = await ToolProcess.RunAsync(new ToolCommand("chown", ["-R", "--reference=" + places.Living, places.Fresh]), registry, cancellationToken).ConfigureAwait(false);
        if (given.ExitCode != 0)
        {
            throw new EngineException("etcd-restore-failed", ErrorKind.Denied, $"the restored store cannot be given to its owner: {given.ErrorTail}", "run the console as a user who may");
        }
    }

    /// <summary>
    /// Every object of the index is there with its identity; what is there besides came with the start. Snapshot and listing
    /// are of two instants: a few objects may have been made or removed in between, and are named. A server that started a moment
    /// ago does not answer for everything at once, so it is looked at for a minute before it is judged.
    /// </summary>
    private async Task<IdentityCheck> LookAsync(
        VClusterAccess access, VClusterTarget target, IReadOnlyList<CapturedObject> index, Action<string, string>? log, CancellationToken cancellationToken)
    {
        using var api = await access.OpenVirtualAsync(target.Settings, time, cancellationToken).ConfigureAwait(false);
        var began = time.GetTimestamp();
        while (true)
        {
            var isLast = time.GetElapsedTime(began) > s_lookFor;
            try
            {
                using var now = await ClusterCapture.ReadAsync(api, null, null, cancellationToken).ConfigureAwait(false);
                var found = IdentityCheck.Of(index, now.Kinds.SelectMany(kind => kind.Objects).ToDictionary(one => one.Key, one => one.Uid), now.Unlisted);
                if (found.IsAsStored || isLast)
                {
                    return found;
                }

                log?.Invoke("verify", $"{found.MissingText}; looking again");
            }
            catch (EngineException fault) when (fault.IsTransient && !isLast)
            {
                log?.Invoke("verify", $"{fault.Message}; looking again");
            }

            await Task.Delay(s_lookEvery, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The directories of one operation; their names say how far it came.</summary>
    private sealed record Places(string Living, string Fresh, string Former)
    {
        /// <summary>What the fresh one is made of.</summary>
        public string Snapshot => Fresh + ".snapshot";

        /// <summary>True where both renames have taken place.</summary>
        public bool IsExchanged => Directory.Exists(Former) && Directory.Exists(Living) && !Directory.Exists(Fresh);

        public static Places Of(string store, string operation)
        {
            var mark = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(operation)).AsSpan(0, 6));
            var living = Path.Combine(store, "etcd");
            return new Places(living, $"{living}.restored-{mark}", $"{living}.before-{mark}");
        }

        public void Exchange()
        {
            if (!Directory.Exists(Former))
            {
                Directory.Move(Living, Former);
            }

            if (!Directory.Exists(Living))
            {
                Directory.Move(Fresh, Living);
            }

            LocalFolder.Flush(Path.GetDirectoryName(Living)!);
        }

        public void ExchangeBack()
        {
            if (Directory.Exists(Living))
            {
                Directory.Move(Living, Fresh);
            }

            Directory.Move(Former, Living);
            LocalFolder.Flush(Path.GetDirectoryName(Living)!);
        }
    }
}
