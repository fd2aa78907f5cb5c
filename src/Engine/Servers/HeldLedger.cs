using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Something of a source that a process holds still, and that must be let go whatever becomes of the process.</summary>
public interface IHeld
{
    /// <summary>The source's name.</summary>
    string Source { get; }

    /// <summary>The process that holds it; while it lives nobody else lets it go.</summary>
    ProcessIdentity Owner { get; }
}

/// <summary>What is held still from this machine, one file for each source: on disk before the first effect, gone after it was let go.</summary>
/// <param name="folder">Where the files are; made when needed.</param>
/// <param name="json">How a record is written.</param>
/// <param name="unreadable">Makes the fault of a file that cannot be read.</param>
internal sealed class HeldLedger<T>(string folder, JsonTypeInfo<T> json, Func<string, JsonException, EngineException> unreadable)
    where T : class, IHeld
{
    /// <summary>Writes an intent down; durable when it returns.</summary>
    public void Write(T record)
    {
        LocalFolder.CreatePrivate(folder);
        LocalFolder.WritePrivateFile(PathOf(record.Source), JsonSerializer.SerializeToUtf8Bytes(record, json));
    }

    /// <summary>Forgets what was let go.</summary>
    public void Remove(string source)
    {
        if (Directory.Exists(folder))
        {
            File.Delete(PathOf(source));
        }
    }

    /// <summary>What is on record of a source, or null.</summary>
    public T? Find(string source) => TryRead(PathOf(source));

    /// <summary>Everything on record.</summary>
    public IEnumerable<T> All() => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(TryRead).OfType<T>()
        : [];

    private string PathOf(string source) => Path.Combine(folder, source + ".json");

    private T? TryRead(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), json);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException fault)
        {
            throw unreadable(path, fault);
        }
    }
}
