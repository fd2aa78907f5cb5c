using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// The restored store beside the living one, until the two are exchanged: unpacked, ahead of what watchers have seen, and owned by who
/// owns the living one. Whatever interrupts the making, the next attempt makes it anew.
/// </summary>
internal sealed class FreshStore(RestoreWork work, EtcdFacts facts, StorePlaces places, ProcessRegistry registry, TimeProvider time)
{
    private readonly RevisionLead _lead = new(registry, time);
    private string? _behind;
    private long? _seen;

    /// <summary>The revision that it was brought to; 0 where that could not be done, or an earlier attempt did it.</summary>
    public long Revision => _behind is null ? _lead.Reached : 0;

    /// <summary>That watchers do not learn of the restore by themselves, where it is so.</summary>
    public IReadOnlyList<string> Warnings => _behind is null ? [] : [$"the restored store was not brought past the revisions that watchers have seen: {_behind}; {Advice}"];

    /// <summary>What to do about watchers that do not learn of a restore.</summary>
    public const string Advice = "what watches objects in the cluster, as operators and controllers of tenants do, may miss changes until it is restarted";

    /// <summary>Makes it, while the cluster still runs: what takes long is no outage.</summary>
    /// <param name="seen">Asks for the living store's revision; null where nobody can say it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>store-missing</c>, <c>etcd-restore-failed</c>.</exception>
    public async Task MakeAsync(Func<Task<long?>> seen, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(places.Living))
        {
            throw new EngineException("store-missing", ErrorKind.NotFound, $"there is no {places.Living}", "name the directory of the cluster's volume, as this machine sees it, in store=");
        }

        await UnpackAsync(cancellationToken).ConfigureAwait(false);
        _behind = await _lead.WhyNotAsync(facts.Version, cancellationToken).ConfigureAwait(false);
        _seen = await seen().ConfigureAwait(false);
        if (_seen is { } revision)
        {
            // What is written until it has stopped seldom goes beyond the second thousand.
            var ahead = revision + (2 * RevisionLead.Margin);
            try
            {
                await RaiseAsync(ahead, cancellationToken).ConfigureAwait(false);
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                // A slow disk, once: nothing stands still yet.
                work.Log?.Invoke("revision", $"{fault.Message}; again from the snapshot");
                await UnpackAsync(cancellationToken).ConfigureAwait(false);
                await RaiseAsync(ahead, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Brings it past what was written until the cluster had stopped.</summary>
    /// <exception cref="EngineException"><c>etcd-unreachable</c>, <c>etcd-full</c>, <c>server-start-failed</c>, where it was brought ahead before: nobody agreed to do without.</exception>
    public async Task PassAsync(CancellationToken cancellationToken)
    {
        // Between two renames of an interrupted attempt there is no living one: that attempt has passed it.
        if (_behind is not null || !Directory.Exists(places.Living))
        {
            return;
        }

        long last;
        try
        {
            (last, _) = await EtcdTool.StatusAsync(Path.Combine(places.Living, "member", "snap", "db"), registry, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Damaged)
        {
            // It may be restored because it is broken; what its API server said last is not far from it.
            _behind = _seen is null ? $"the revision of the former store is not known ({fault.Message})" : null;
            return;
        }

        if (_lead.Reached < last + RevisionLead.Margin)
        {
            await RaiseAsync(last + RevisionLead.Margin, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task RaiseAsync(long target, CancellationToken cancellationToken)
    {
        if (_behind is not null)
        {
            return;
        }

        var hadLed = _lead.Reached > 0;
        try
        {
            _behind = await _lead.RaiseAsync(places.Fresh, facts.MemberName, places.Work, target, work.Log, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException fault) when (!hadLed && (fault.Code is "server-start-failed" or RevisionLead.FullCode))
        {
            // The cluster's own etcd may do with it all the same, also with one that takes no writes; whatever this one has done to it goes.
            _behind = fault.Message;
            await UnpackAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        await GiveAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task UnpackAsync(CancellationToken cancellationToken)
    {
        await LocalFolder.RemoveAsync(places.Fresh, time, cancellationToken).ConfigureAwait(false);
        try
        {
            await EtcdTool.WriteSnapshotAsync(work.Repository, work.Manifest, facts, places.Snapshot, cancellationToken).ConfigureAwait(false);
            await EtcdTool.RestoreAsync(places.Snapshot, places.Fresh, facts.MemberName, facts.PeerUrls[0], registry, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            File.Delete(places.Snapshot);
        }

        await GiveAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The store belongs to whoever runs it.</summary>
    private async Task GiveAsync(CancellationToken cancellationToken)
    {
        var given = await ToolProcess.RunAsync(new ToolCommand("chown", ["-R", "--reference=" + places.Living, places.Fresh]), registry, cancellationToken).ConfigureAwait(false);
        if (given.ExitCode != 0)
        {
            throw new EngineException("etcd-restore-failed", ErrorKind.Denied, $"the restored store cannot be given to its owner: {given.ErrorTail}", "run the console as a user who may");
        }
    }
}
