using System.Globalization;
using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;

/// <summary>
/// Brings a restored store's revision past all that the watchers of the living one have seen, and forgets what was before it. Without
/// that a watch that goes on at its old revision is served in silence: it misses all that happens until the store has come that far
/// again. With it the API server says that the revision is gone (410), and whoever watches lists anew.
/// </summary>
/// <param name="registry">Records the process.</param>
/// <param name="time">The clock.</param>
internal sealed class RevisionLead(ProcessRegistry registry, TimeProvider time)
{
    /// <summary>So far ahead of the living store's last known revision it goes, as vCluster's own restore does.</summary>
    public const int Margin = 1000;

    /// <summary>More revisions than this are not written: each is an entry of etcd's log, and they would take minutes.</summary>
    public const long Longest = 2_000_000;

    /// <summary>The code of the fault that a store takes no writes for want of space.</summary>
    public const string FullCode = "etcd-full";

    /// <summary>Outside of all that an API server or anybody else keeps there.</summary>
    private const string Scratch = "hexabase-drconsole/revision";

    /// <summary>So many are written between two compactions, which give their space back to the next ones.</summary>
    private const int Batch = 50_000;

    private const int InFlight = 256;

    /// <summary>The restored store's revision; 0 while it is not known.</summary>
    public long Reached { get; private set; }

    /// <summary>Why it cannot be done on this machine; null where it can.</summary>
    /// <param name="version">The version of the etcd that the snapshot is of: a newer one would leave a store that the cluster's own cannot open any more.</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    public async Task<string?> WhyNotAsync(string version, CancellationToken cancellationToken)
    {
        if (KubernetesBinaries.FindEtcd() is not { } program)
        {
            return $"there is no etcd {MinorOf(version)} on this machine";
        }

        var said = await ToolProcess.RunAsync(new ToolCommand(program, ["--version"]) { Purpose = "etcd --version" }, registry, cancellationToken).ConfigureAwait(false);
        var here = said.Output.Split('\n').Select(line => line.Split("etcd Version: ")).Where(parts => parts.Length == 2).Select(parts => parts[1].Trim()).FirstOrDefault("");
        return MinorOf(here) == MinorOf(version) ? null : $"the etcd of this machine is {(here.Length > 0 ? here : "of no known version")}, and the cluster's is {version}";
    }

    /// <summary>Brings a store to a revision that nobody has seen, by writing and deleting a key of our own.</summary>
    /// <param name="data">The store; nothing runs on it.</param>
    /// <param name="member">The name of its one member.</param>
    /// <param name="work">A folder for what is needed meanwhile; it is gone afterwards.</param>
    /// <param name="target">The revision that it has at least then.</param>
    /// <param name="log">Told how far it is.</param>
    /// <param name="cancellationToken">Ends it; the store can be brought further later.</param>
    /// <returns>Why the store stays behind that; null where it does not.</returns>
    /// <exception cref="EngineException"><c>server-start-failed</c>: no etcd starts over it here; <c>etcd-full</c>; <c>etcd-unreachable</c>.</exception>
    public async Task<string?> RaiseAsync(string data, string member, string work, long target, Action<string, string>? log, CancellationToken cancellationToken)
    {
        try
        {
            var etcd = await PrivateEtcd.StartAsync(KubernetesBinaries.FindEtcd()!, data, member, work, registry, time, cancellationToken).ConfigureAwait(false);
            await using (etcd.ConfigureAwait(false))
            {
                return await RaiseAsync(etcd, target, log, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (RpcException fault)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw fault.StatusCode == StatusCode.ResourceExhausted
                ? new EngineException(FullCode, ErrorKind.OutOfSpace, $"the restored store takes no writes: {fault.Status.Detail}", "look at the space of the volume", fault)
                : new EngineException("etcd-unreachable", ErrorKind.Unavailable, $"the etcd over the restored store does not answer any more: {fault.Status.Detail}", "look at the space of the volume; then restore again", fault) { IsTransient = true };
        }
        finally
        {
            await LocalFolder.RemoveAsync(work, time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<string?> RaiseAsync(PrivateEtcd etcd, long target, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var store = new KV.KVClient(etcd.Channel);
        var key = ByteString.CopyFromUtf8(Scratch);
        var began = time.GetTimestamp();
        Reached = (await store.RangeAsync(new RangeRequest { Key = key, CountOnly = true }, cancellationToken: cancellationToken)).Header.Revision;
        if (target - Reached > Longest)
        {
            return string.Create(CultureInfo.InvariantCulture, $"it is at revision {Reached}, and {target} is too far away to be written");
        }

        do
        {
            // One at least: a store cannot be compacted twice at the same revision.
            await Parallel.ForAsync(0, (int)Math.Clamp(target - Reached, 1, Batch), new ParallelOptions { MaxDegreeOfParallelism = InFlight, CancellationToken = cancellationToken }, async (_, token) =>
                await store.PutAsync(new PutRequest { Key = key, Value = key }, cancellationToken: token)).ConfigureAwait(false);
            // Deleted each time: a store that this is interrupted in has no key more than the snapshot.
            Reached = (await store.DeleteRangeAsync(new DeleteRangeRequest { Key = key }, cancellationToken: cancellationToken)).Header.Revision;
            await store.CompactAsync(new CompactionRequest { Revision = Reached, Physical = true }, cancellationToken: cancellationToken);
            log?.Invoke("revision", string.Create(CultureInfo.InvariantCulture, $"the restored store is at revision {Reached}, to be at {target}, after {time.GetElapsedTime(began).TotalSeconds:0.0} s"));
        }
        while (Reached < target);

        // What was compacted is free inside the file; the cluster's own etcd counts the file against its quota.
        await new Etcdserverpb.Maintenance.MaintenanceClient(etcd.Channel).DefragmentAsync(new DefragmentRequest(), cancellationToken: cancellationToken);
        return null;
    }

    private static string MinorOf(string version) => string.Join('.', version.Split('.').Take(2));
}
