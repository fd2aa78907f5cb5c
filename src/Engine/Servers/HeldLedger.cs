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
internal sealed class HeldLedger<T>(string folder, JsonTypeInfo<T> json, Func<string, Exception, EngineException> unreadable)
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
    /// <param name="unread">Told of each record that cannot be read, which must not keep the others held; null to fail of it.</param>
    public IEnumerable<T> All(Action<EngineException>? unread = null) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(path => unread is null ? TryRead(path) : TryRead(path, unread)).OfType<T>()
        : [];

    private string PathOf(string source) => Path.Combine(folder, source + ".json");

    private T? TryRead(string path, Action<EngineException> unread)
    {
        try
        {
            return TryRead(path);
        }
        catch (EngineException fault)
        {
            unread(fault);
            return null;
        }
    }

    private T? TryRead(string path)
    {
        try
        {
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(path), json);
            return record is null or { Source.Length: > 0 } ? record : throw new JsonException("it names no source");
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception fault) when (fault is JsonException or IOException or UnauthorizedAccessException)
        {
            throw unreadable(path, fault);
        }
    }
}
