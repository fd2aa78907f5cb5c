using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// That a snapshot of a claim is about to be taken, or is: on disk before the first object is made, gone when the last one is. All
/// of its objects have one name: the snapshot, the claim that is made from it, and the Pod that has that mounted.
/// </summary>
/// <param name="Source">The source's name.</param>
/// <param name="Kubeconfig">The file that leads to the cluster.</param>
/// <param name="Namespace">The claim's namespace.</param>
/// <param name="Name">The name of the objects, which no other has.</param>
/// <param name="TimeoutSeconds">How long each of them may take to go.</param>
/// <param name="Owner">The process that takes it.</param>
/// <param name="RecordedAt">When it was written down.</param>
public sealed record SnapshotRecord(string Source, string Kubeconfig, string Namespace, string Name, double TimeoutSeconds, ProcessIdentity Owner, DateTimeOffset RecordedAt) : IHeld
{
    /// <summary>How many of the three kinds of objects have been asked for, in the order of <see cref="KubeVolumes.MadeInOrder"/>.</summary>
    public int Made { get; init; }

    /// <summary>True where the owner lives, but could not remove all of it.</summary>
    public bool IsGivenUp { get; init; }

    /// <summary>What a person types to remove it by hand.</summary>
    [JsonIgnore]
    public string RemoveCommand => $"kubectl --kubeconfig {Kubeconfig} -n {Namespace} delete pod/{Name} persistentvolumeclaim/{Name} volumesnapshot/{Name} --ignore-not-found";
}

/// <summary>The snapshots that are taken from this machine, one file for each source.</summary>
/// <param name="folder">Where the files are; made when needed.</param>
/// <param name="registry">Knows this process.</param>
public sealed class SnapshotLedger(string folder, ProcessRegistry registry)
{
    /// <summary>The folder's name in the data folder.</summary>
    public const string FolderName = "snapshots";

    private readonly HeldLedger<SnapshotRecord> _records = new(folder, VolumeJson.Default.SnapshotRecord, (path, fault) => new EngineException(
        "snapshot-unreadable", ErrorKind.Damaged, $"{path} cannot be read: {fault.Message}",
        "It says which objects were made for a snapshot: look for Pods, claims and VolumeSnapshots with the label app.kubernetes.io/managed-by=drconsole, then delete the file.", fault));

    /// <summary>Knows the time and this process.</summary>
    public ProcessRegistry Registry => registry;

    /// <summary>Writes an intent down; durable when it returns.</summary>
    public void Write(SnapshotRecord record) => _records.Write(record);

    /// <summary>Leaves the objects to whoever looks through the ledger next.</summary>
    public void GiveUp(SnapshotRecord record) => _records.Write(record with { IsGivenUp = true });

    /// <summary>Forgets what is gone; one that was written down since stays.</summary>
    public void Remove(SnapshotRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (_records.Find(record.Source)?.Name == record.Name)
        {
            _records.Remove(record.Source);
        }
    }

    /// <summary>What is on record of a source, or null.</summary>
    public SnapshotRecord? Find(string source) => _records.Find(source);

    /// <summary>What dead processes left, and what living ones gave up.</summary>
    /// <param name="unread">As <see cref="HeldLedger{T}.All"/> takes it.</param>
    public IReadOnlyList<SnapshotRecord> Left(Action<EngineException>? unread = null) => [.. _records.All(unread).Where(record => record.IsGivenUp || !record.Owner.IsAlive())];

    /// <summary>Removes the objects of a record from their cluster; it stays on record until <see cref="Remove"/>, so that what happened can be told first.</summary>
    /// <returns>What could not be looked at.</returns>
    /// <exception cref="EngineException"><c>snapshot-left</c>, or why the cluster cannot be asked.</exception>
    public async Task<IReadOnlyList<string>> ClearAsync(SnapshotRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(record.Kubeconfig), time: registry.Time);
        return await new SnapshotRemoval(api, record, registry.Time).RunAsync().ConfigureAwait(false);
    }
}
