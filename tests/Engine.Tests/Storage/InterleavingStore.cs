using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>Lets something else happen to the same store right before a call of whoever uses this one, as another process would.</summary>
public sealed class InterleavingStore(IObjectStore inner, int at, Func<Task> act) : IObjectStore
{
    private int _calls;

    public string Url => inner.Url;

    /// <summary>False where there were fewer calls.</summary>
    public bool HasActed => _calls >= at;

    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await CountAsync();
        await inner.PutAsync(key, content, cancellationToken);
    }

    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await CountAsync();
        await inner.ReadAsync(key, offset, buffer, cancellationToken);
    }

    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        await CountAsync();
        return await inner.OpenReadAsync(key, cancellationToken);
    }

    public async Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
    {
        await CountAsync();
        return await inner.StatAsync(key, cancellationToken);
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await CountAsync();
        await foreach (var item in inner.ListAsync(prefix, cancellationToken))
        {
            yield return item;
        }
    }

    public async Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        await CountAsync();
        await inner.DeleteAsync(key, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private Task CountAsync() => Interlocked.Increment(ref _calls) == at ? act() : Task.CompletedTask;
}
