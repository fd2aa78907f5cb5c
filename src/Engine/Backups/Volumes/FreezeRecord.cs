using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>That a volume is about to be frozen, or is: on disk before the first command runs, gone after the thaw.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Path">The volume's path.</param>
/// <param name="How"><c>fsfreeze</c> or <c>command</c>.</param>
/// <param name="ThawCommand">Program and arguments that undo it.</param>
/// <param name="TimeoutSeconds">How long that may take.</param>
/// <param name="Owner">The process that holds it; while it lives nobody else thaws.</param>
/// <param name="RecordedAt">When it was written down.</param>
public sealed record FreezeRecord(
    string Source, string Path, string How, IReadOnlyList<string> ThawCommand, double TimeoutSeconds, ProcessIdentity Owner, DateTimeOffset RecordedAt) : IHeld;

/// <summary>What became of a volume that a dead process had left frozen.</summary>
/// <param name="Record">What was found.</param>
/// <param name="Fault">Why it could not be thawed; null where it was.</param>
public sealed record LeftFreeze(FreezeRecord Record, string? Fault);

/// <summary>The freezes that are under way on this machine, one file for each source.</summary>
/// <param name="folder">Where the files are; made when needed.</param>
/// <param name="registry">Records the commands that are started.</param>
public sealed class FreezeLedger(string folder, ProcessRegistry registry)
{
    /// <summary>The folder's name in the data folder.</summary>
    public const string FolderName = "freezes";

    private readonly HeldLedger<FreezeRecord> _records = new(folder, VolumeJson.Default.FreezeRecord, (path, fault) => new EngineException(
        "freeze-unreadable", ErrorKind.Damaged, $"{path} cannot be read: {fault.Message}",
        "It says which volume was frozen: look whether one still is (fsfreeze -u thaws it), then delete the file.", fault));

    /// <summary>Writes an intent down; durable when it returns.</summary>
    public void Write(FreezeRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        _records.Write(record);
    }

    /// <summary>Forgets what was undone and told; a freeze that was written down since stays on record.</summary>
    public void Remove(FreezeRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (_records.Find(record.Source) is { } there && (there.Owner, there.RecordedAt) == (record.Owner, record.RecordedAt))
        {
            _records.Remove(record.Source);
        }
    }

    /// <summary>What is on record of a source, or null.</summary>
    public FreezeRecord? Find(string source) => _records.Find(source);

    /// <summary>Thaws what dead processes left frozen. The records stay until <see cref="Remove"/>, so that what happened can be told first.</summary>
    public async Task<IReadOnlyList<LeftFreeze>> ThawLeftAsync()
    {
        var (left, unread) = (new List<LeftFreeze>(), new List<EngineException>());
        foreach (var record in _records.All(unread.Add).Where(record => !record.Owner.IsAlive()))
        {
            left.Add(new LeftFreeze(record, await ThawAsync(record)));
        }

        // After the others, whose writers wait: those are told of at the next start.
        return unread.Count == 0 ? left : throw unread[0];
    }

    /// <summary>Runs the command that undoes a freeze, and says what went wrong; null where nothing did. No cancel ends it, only its time-out.</summary>
    public async Task<string?> ThawAsync(FreezeRecord record) => (await TryThawAsync(record)).Fault;

    /// <summary>The same, and whether it was frozen until now, where that can be known.</summary>
    internal async Task<(string? Fault, bool WasFrozen)> TryThawAsync(FreezeRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var fault = await RunAsync(record, record.ThawCommand, CancellationToken.None);
        // The file system is not frozen: the freeze had not come so far, the machine was started anew, or somebody thawed it.
        return record.How == VolumeFreeze.Fsfreeze && fault?.Contains("Invalid argument", StringComparison.Ordinal) == true ? (null, false) : (fault, true);
    }

    /// <summary>Runs one of the two commands; null where it ended well within its time.</summary>
    internal Task<string?> RunAsync(FreezeRecord record, IReadOnlyList<string> words, CancellationToken cancellationToken) => OperatorCommand.FaultOfAsync(
        new ToolCommand(words[0], [.. words.Skip(1)])
        {
            Purpose = $"{Path.GetFileName(words[0])} of {record.Source}",
            // In English: what fsfreeze says tells a file system that is frozen already from one that cannot be frozen.
            Environment = new Dictionary<string, string> { ["DRCONSOLE_SOURCE"] = record.Source, ["DRCONSOLE_PATH"] = record.Path, ["LC_ALL"] = "C" },
        }, TimeSpan.FromSeconds(record.TimeoutSeconds), registry, cancellationToken);
}
