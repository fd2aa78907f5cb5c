using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// The list, on disk, of every process that the engine started: one file per process, durable before the process is used.
/// After a kill -9 of the console the next start settles it. Several processes may share one list (the console and a
/// command beside it): each leaves alone what a living other one owns.
/// </summary>
/// <param name="folder">Where the records live; created, readable by this user only.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Gets a line for each process that is settled.</param>
/// <param name="owner">Who starts the processes; this process where null.</param>
public sealed partial class ProcessRegistry(
    string folder, TimeProvider? time = null, ILogger<ProcessRegistry>? logger = null, ProcessIdentity? owner = null)
{
    /// <summary>The environment variable that carries a record's mark into the child.</summary>
    internal const string MarkVariable = "DRCONSOLE_PROCESS";

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly ILogger _logger = logger ?? (ILogger)NullLogger.Instance;

    /// <summary>Where the records live.</summary>
    public string Folder { get; } = Path.GetFullPath(folder);

    /// <summary>Who starts processes through this registry.</summary>
    public ProcessIdentity Owner { get; } = owner ?? ProcessIdentity.Current;

    internal TimeProvider Time => _time;

    /// <summary>All records, by name.</summary>
    public IReadOnlyList<ProcessRecord> List() => Load(out _);

    /// <summary>The record of that name, or null.</summary>
    public ProcessRecord? Find(string name)
    {
        var path = PathOf(name);
        return File.Exists(path) ? TryRead(path) : null;
    }

    /// <summary>
    /// Ends what outlived its console and is of no use (only where process id, start time and boot all match), removes the
    /// folders and password files that were left behind, and names the servers that can be adopted. Run it once at start,
    /// before anything is started. What a living owner has is left alone.
    /// </summary>
    public async Task<SettleReport> SettleAsync(CancellationToken cancellationToken)
    {
        List<ProcessRecord> adoptable = [], ended = [], gone = [];
        var records = Load(out var unreadable);
        foreach (var record in records)
        {
            if (IsHeld(record))
            {
                continue;
            }

            var child = record.Child ?? FindByMark(record.Mark);
            var alive = child?.IsAlive() == true;
            if (alive && record.Afterlife == Afterlife.Adopted)
            {
                Write(record with { Child = child });
                adoptable.Add(record with { Child = child });
                continue;
            }

            if (alive)
            {
                LogEnding(_logger, record.Purpose, child!.Value.Pid);
                var ladder = record.IsServer ? ProcessEnding.ScratchServer : ProcessEnding.Tool;
                await ProcessEnding.EndAsync(child.Value, ladder, _time, cancellationToken).ConfigureAwait(false);
                LibC.SignalGroup(child.Value.Pid, UnixSignal.Kill);
            }

            if (record.Folder is { } left)
            {
                await LocalFolder.RemoveAsync(left, _time, cancellationToken).ConfigureAwait(false);
            }

            RemoveForGood(record.Name);
            (alive ? ended : gone).Add(record);
        }

        foreach (var path in unreadable)
        {
            LogUnreadable(_logger, path);
            File.Delete(path);
        }

        PasswordFile.RemoveAbandoned(Folder);
        return new SettleReport(adoptable, ended, gone, unreadable);
    }

    /// <summary>True where the process of that name is in the hands of another living console or command.</summary>
    public bool IsHeldByAnother(string name) => Find(name) is { } record && record.Owner != Owner && IsHeld(record);

    /// <summary>True where a living process owns the record: this one, or a console or command beside it.</summary>
    internal static bool IsHeld(ProcessRecord record) => record.Owner.IsAlive();

    internal ProcessRecord NewRecord(string name, string purpose, Afterlife afterlife, string? folder, bool isServer) => new()
    {
        Name = name,
        Purpose = purpose,
        Afterlife = afterlife,
        Folder = folder,
        IsServer = isServer,
        Mark = RandomNumberGenerator.GetHexString(32, lowercase: true),
        Owner = Owner,
        RecordedAt = _time.GetUtcNow(),
    };

    /// <summary>Writes a record durably; a record of the same name is replaced as a whole.</summary>
    internal void Write(ProcessRecord record)
    {
        LocalFolder.CreatePrivate(Folder);
        LocalFolder.WritePrivateFile(
            PathOf(record.Name), JsonSerializer.SerializeToUtf8Bytes(record, ProcessRecordJson.Default.ProcessRecord));
    }

    internal void Remove(string name) => File.Delete(PathOf(name));

    /// <summary>Removes the record of a server that never comes back, with the lock file of its starts.</summary>
    internal void RemoveForGood(string name)
    {
        Remove(name);
        File.Delete(Path.Combine(Folder, name + ".gate"));
    }

    internal static string NewName(string stem) => string.Create(
        CultureInfo.InvariantCulture, $"{stem.Replace('_', '-')}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");

    /// <summary>The living process that carries a mark in its environment, or null.</summary>
    internal static ProcessIdentity? FindByMark(string mark)
    {
        var wanted = $"{MarkVariable}={mark}";
        ProcessIdentity? oldest = null;
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                continue;
            }

            try
            {
                // What the child started inherits the mark: the oldest is the child itself.
                if (File.ReadAllText(Path.Combine(process, "environ")).Split('\0').Contains(wanted)
                    && ProcessIdentity.Read(pid) is { } marked
                    && (oldest is null || marked.StartTicks < oldest.Value.StartTicks))
                {
                    oldest = marked;
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or it is another user's and therefore not ours.
            }
        }

        return oldest;
    }

    private static ProcessRecord? TryRead(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), ProcessRecordJson.Default.ProcessRecord);
        }
        catch (JsonException)
        {
            return null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private List<ProcessRecord> Load(out List<string> unreadable)
    {
        List<ProcessRecord> records = [];
        unreadable = [];
        if (!Directory.Exists(Folder))
        {
            return records;
        }

        foreach (var path in Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal))
        {
            if (TryRead(path) is { } record)
            {
                records.Add(record);
            }
            else if (File.Exists(path))
            {
                unreadable.Add(path);
            }
        }

        return records;
    }

    private string PathOf(string name) => Path.Combine(Folder, name + ".json");

    [LoggerMessage(1, LogLevel.Warning, "{Purpose} (process {Pid}) outlived its console and is ended")]
    private static partial void LogEnding(ILogger logger, string purpose, int pid);

    [LoggerMessage(2, LogLevel.Warning, "process record {Path} cannot be read and is removed")]
    private static partial void LogUnreadable(ILogger logger, string path);
}
