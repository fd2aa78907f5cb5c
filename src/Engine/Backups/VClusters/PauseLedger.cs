using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>That a virtual cluster is about to be paused, or is: on disk before it is stopped, gone after it was started.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Namespace">Its namespace on the host.</param>
/// <param name="Cluster">Its name.</param>
/// <param name="Kubeconfig">The file that leads to its host.</param>
/// <param name="RunsCommands">As <see cref="VClusterSettings.RunsCommands"/>.</param>
/// <param name="Purpose">Whose pause it is, as the workload's annotation says.</param>
/// <param name="Owner">The process that holds it.</param>
/// <param name="RecordedAt">When it was written down.</param>
public sealed record PauseRecord(
    string Source, string Namespace, string Cluster, string Kubeconfig, bool RunsCommands, string Purpose, ProcessIdentity Owner, DateTimeOffset RecordedAt) : IHeld
{
    /// <summary>
    /// Of a restore in place: the directory whose etcd it exchanges. While none is in it the cluster must not be started, it would begin
    /// an empty one.
    /// </summary>
    public string? Store { get; init; }

    /// <summary>True where it may be started by whoever looks through the ledger.</summary>
    [JsonIgnore]
    public bool HasStore => Store is null || Directory.Exists(Path.Combine(Store, "etcd"));

    /// <summary>True where the owner lives, but could not start it for minutes and has given up.</summary>
    public bool IsGivenUp { get; init; }

    /// <summary>True where it was started by somebody who looked through the ledger, and only the audit does not know yet.</summary>
    public bool IsResumed { get; init; }
}

/// <summary>The virtual clusters that are paused from this machine.</summary>
/// <param name="folder">Where the files are; made when needed.</param>
/// <param name="registry">Knows this process.</param>
public sealed class PauseLedger(string folder, ProcessRegistry registry)
{
    /// <summary>The folder's name in the data folder.</summary>
    public const string FolderName = "pauses";

    private readonly HeldLedger<PauseRecord> _records = new(folder, VClusterJson.Default.PauseRecord, (path, fault) => new EngineException(
        "pause-unreadable", ErrorKind.Damaged, $"{path} cannot be read: {fault.Message}",
        "It says which virtual cluster was paused: look whether its workload still has no replicas, then delete the file.", fault));

    /// <summary>Writes down that this process is about to pause a cluster; durable when it returns.</summary>
    /// <param name="source">The source's name.</param>
    /// <param name="access">The cluster.</param>
    /// <param name="settings">How it is reached.</param>
    /// <param name="purpose">Whose pause it is.</param>
    /// <param name="store">As <see cref="PauseRecord.Store"/>.</param>
    public PauseRecord Write(string source, VClusterAccess access, VClusterSettings settings, string purpose, string? store = null)
    {
        ArgumentNullException.ThrowIfNull(access);
        ArgumentNullException.ThrowIfNull(settings);
        var record = new PauseRecord(source, access.Namespace, access.Name, settings.Kubeconfig, settings.RunsCommands, purpose, registry.Owner, registry.Time.GetUtcNow()) { Store = store };
        _records.Write(record);
        return record;
    }

    /// <summary>Leaves a pause to whoever looks through the ledger next.</summary>
    public void GiveUp(PauseRecord record) => _records.Write(record with { IsGivenUp = true });

    /// <summary>Forgets a pause that is over; one that was written down since stays.</summary>
    public void Remove(PauseRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (_records.Find(record.Source) == record)
        {
            _records.Remove(record.Source);
        }
    }

    /// <summary>Forgets a pause of this purpose that is over; another one of the source stays.</summary>
    public void Forget(string source, string purpose)
    {
        if (_records.Find(source) is { } record && record.Purpose == purpose)
        {
            _records.Remove(source);
        }
    }

    /// <summary>What is on record of a source; null where nothing is.</summary>
    public PauseRecord? Find(string source) => _records.Find(source);

    /// <summary>What dead processes left paused, and what living ones gave up.</summary>
    /// <param name="unread">As <see cref="HeldLedger{T}.All"/> takes it.</param>
    public IReadOnlyList<PauseRecord> Left(Action<EngineException>? unread = null) => [.. _records.All(unread).Where(record => record.IsGivenUp || !record.Owner.IsAlive())];

    /// <summary>Starts what a pause on record stopped.</summary>
    /// <returns>The record as it is from now on: <see cref="PauseRecord.IsResumed"/> is false where it had come to no pause, or somebody else has resumed it.</returns>
    public async Task<PauseRecord> ResumeAsync(PauseRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.IsResumed)
        {
            return record;
        }

        var settings = new VClusterSettings(record.Namespace, record.Kubeconfig, PauseForBackup: false) { Name = record.Cluster, RunsCommands = record.RunsCommands };
        using var access = await VClusterAccess.OpenAsync(settings, registry.Time, cancellationToken).ConfigureAwait(false);
        // The next backup or restore of it may have begun meanwhile, and paused it anew.
        return _records.Find(record.Source) == record && await new ClusterPause(access, registry.Time).ResumeAsync(record.Purpose, cancellationToken).ConfigureAwait(false)
            ? NoteResumed(record)
            : record;
    }

    /// <summary>Notes that what was left has been started, before that is told; another pause that was written down since stays.</summary>
    private PauseRecord NoteResumed(PauseRecord record)
    {
        var resumed = record with { IsResumed = true };
        if (_records.Find(record.Source) == record)
        {
            _records.Write(resumed);
        }

        return resumed;
    }
}
