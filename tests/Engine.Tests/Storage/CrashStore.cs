using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>
/// A store in memory that dies after a set number of operations, as a killed process does: what it was writing then is
/// dropped, or has its effect without an answer, and every later call fails. <see cref="Reopen"/> gives what a new process
/// would find.
/// </summary>
public sealed class CrashStore(int operationsUntilCrash = int.MaxValue, TimeProvider? time = null) : IObjectStore
{
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Dictionary<string, DateTimeOffset> _written = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, byte[]> _objects = new(StringComparer.Ordinal);
    private int _left = operationsUntilCrash;

    public string Url => "memory:test";

    /// <summary>Writes that were begun, among them the one that the crash cut off.</summary>
    public int Writes { get; private set; }

    public bool HasCrashed => _left < 0;

    public IReadOnlyDictionary<string, byte[]> Objects => _objects;

    /// <summary>True where the last operation before the crash was done, though nobody was told.</summary>
    public bool LastIsDone { get; init; }

    /// <summary>Refuses deletes, as a store does for a role that may only write, or under object lock.</summary>
    public Func<string, bool> DeniesDelete { get; set; } = _ => false;

    /// <summary>Called after each object became durable.</summary>
    public Action<string>? Stored { get; set; }

    /// <summary>Called once, after the next listing was made and before its reader sees it.</summary>
    public Func<Task>? Listed { get; set; }

    /// <summary>Keys in the order in which they became durable.</summary>
    public List<string> Order { get; } = [];

    public IEnumerable<string> KeysOf(string room) => _objects.Keys.Where(key => key.StartsWith(room, StringComparison.Ordinal));

    public CrashStore Reopen(int operationsUntilCrash = int.MaxValue, bool lastIsDone = false)
    {
        var store = new CrashStore(operationsUntilCrash, _time) { LastIsDone = lastIsDone };
        foreach (var (key, content) in _objects)
        {
            store._objects[key] = [.. content];
            store._written[key] = _written[key];
        }

        return store;
    }

    public void Damage(string key, Func<byte[], byte[]> change) => _objects[key] = change([.. _objects[key]]);

    /// <summary>Puts an object as another process would, unseen by this one's count.</summary>
    public void Insert(string key, byte[] content) => (_objects[key], _written[key]) = (content, _time.GetUtcNow());

    public void Remove(string key) => _objects.Remove(key);

    public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            ObjectKey.Check(key);
            Writes++;
            Step(() =>
            {
                _objects[key] = content.ToArray();
                _written[key] = _time.GetUtcNow();
                Order.Add(key);
            });
        }

        Stored?.Invoke(key);
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
            return Task.FromResult<ObjectInfo?>(_objects.TryGetValue(key, out var content) ? new ObjectInfo(key, content.Length, _written[key]) : null);
        }
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        List<ObjectInfo> found;
        lock (_lock)
        {
            found = [.. _objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(o => new ObjectInfo(o.Key, o.Value.Length, _written[o.Key]))];
        }

        if (Listed is { } listed)
        {
            Listed = null;
            await listed();
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
            if (DeniesDelete(key))
            {
                throw new EngineException("delete-denied", ErrorKind.Denied, $"{key} may not be deleted");
            }

            Step(() => _objects.Remove(key));
        }

        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Step(Action act)
    {
        if (--_left >= 0 || (_left == -1 && LastIsDone))
        {
            act();
        }

        if (_left < 0)
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
