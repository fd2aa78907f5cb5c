using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// What a delta restore found before it changed anything, durable before its first change: whatever is killed later, this says
/// which files are the old directory's. Lies in the directory aside.
/// </summary>
internal sealed record DeltaJournal
{
    public const int CurrentVersion = 1;

    private const string FileName = "drconsole-in-place.json";

    public required int Version { get; init; }

    /// <summary>The restore point's full id: what was kept has its content.</summary>
    public required string RestorePoint { get; init; }

    /// <summary>Files that were right.</summary>
    public required IReadOnlyList<string> Kept { get; init; }

    /// <summary>What is moved aside, the control file first. A directory stands for all below it.</summary>
    public required IReadOnlyList<string> Moved { get; init; }

    /// <summary>Directories that stay where they are.</summary>
    public required IReadOnlyList<string> Directories { get; init; }

    /// <summary>True from just before a server was first started on the directory: from then on kept files may have been changed.</summary>
    public bool IsWritten { get; init; }

    /// <summary>Reads it; null where nothing was begun.</summary>
    /// <exception cref="EngineException"><c>in-place-journal-unreadable</c>.</exception>
    public static DeltaJournal? Load(string aside)
    {
        var path = Path.Combine(aside, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<DeltaJournal>(File.ReadAllBytes(path)) is { Version: CurrentVersion } journal
                ? journal : throw new JsonException("its version is unknown");
        }
        catch (JsonException fault)
        {
            throw new EngineException("in-place-journal-unreadable", ErrorKind.Damaged, $"{path} cannot be read: {fault.Message}",
                "move what lies beside it back by hand: each file has its place below the data directory", fault);
        }
    }

    /// <summary>Writes it, at once or not at all.</summary>
    public void Save(string aside)
    {
        LocalFolder.CreatePrivate(aside);
        LocalFolder.WritePrivateFile(Path.Combine(aside, FileName), JsonSerializer.SerializeToUtf8Bytes(this));
        LocalFolder.Flush(Path.GetDirectoryName(aside)!);
    }

    /// <summary>Forgets it, when nothing of the old directory is aside any more.</summary>
    public static void Remove(string aside)
    {
        File.Delete(Path.Combine(aside, FileName));
        LocalFolder.Flush(aside);
    }
}
