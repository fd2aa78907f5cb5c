using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>
/// A store in memory that dies after a set number of operations, as a killed process does: what it was writing then is
/// dropped, and every later call fails. <see cref="Reopen"/> gives what a new process would find.
/// </summary>
public sealed class CrashStore(int operationsUntilCrash = int.MaxValue) : IObjectStore
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, byte[]> _objects = new(StringComparer.Ordinal);
    private int _left = operationsUntilCrash;

    public string Url => "memory:test";

    /// <summary>Writes that were begun, among them the one that the crash cut off.</summary>
    public int Writes { get; private set; }

    public bool HasCrashed => _left < 0;

    public IReadOnlyDictionary<string, byte[]> Objects => _objects;

    /// <summary>Keys in the order in which they became durable.</summary>
    public List<string> Order { get; } = [];

    public CrashStore Reopen(int operationsUntilCrash = int.MaxValue)
    {
        var store = new CrashStore(operationsUntilCrash);
        foreach (var (key, content) in _objects)
        {
            store._objects[key] = [.. content];
        }

        return store;
    }

    public void Damage(string key, Func<byte[], byte[]> change) => _objects[key] = change([.. _objects[key]]);

    public void Remove(string key) => _objects.Remove(key);

    public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Writes++;
            Step();
            _objects[key] = content.ToArray();
            Order.Add(key);
        }

        return Task.CompletedTask;
    }

    public Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var content = Find(key);
        if (offset + buffer.Length > content.Length)
        {
            throw new EngineException("object-cut", ErrorKind.Damaged, $"{key} is cut");
        }

        content.AsMemory((int)offset, buffer.Length).CopyTo(buffer);
        return Task.CompletedTask;
    }

    public Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(new MemoryStream(Find(key), writable: false));

    public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<ObjectInfo?>(_objects.TryGetValue(key, out var content) ? new ObjectInfo(key, content.Length, default) : null);
        }
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        List<ObjectInfo> found;
        lock (_lock)
        {
            found = [.. _objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(o => new ObjectInfo(o.Key, o.Value.Length, default))];
        }

        foreach (var item in found)
        {
            yield return item;
        }
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Step();
            _objects.Remove(key);
        }

        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Step()
    {
        if (--_left < 0)
        {
            throw new EngineException("crashed", ErrorKind.Unavailable, "the process was killed here");
        }
    }

    private byte[] Find(string key)
    {
        lock (_lock)
        {
            return _objects.TryGetValue(key, out var content)
                ? content
                : throw new EngineException("object-missing", ErrorKind.NotFound, $"{key} does not exist");
        }
    }
}
