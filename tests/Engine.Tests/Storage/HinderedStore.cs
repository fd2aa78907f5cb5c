using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>A store in which single objects cannot be had, or whose calls fail for a while.</summary>
public sealed class HinderedStore(IObjectStore inner) : IObjectStore
{
    public string Url => inner.Url;

    /// <summary>The fault of reading an object, or null where it can be read.</summary>
    public Func<string, Exception?> Reading { get; set; } = _ => null;

    /// <summary>The fault of storing an object, told before it is stored, or null.</summary>
    public Func<string, Exception?> Storing { get; set; } = _ => null;

    /// <summary>The fault of storing an object that is stored all the same, or null.</summary>
    public Func<string, Exception?> Stored { get; set; } = _ => null;

    /// <summary>False where a listing of a prefix shows nothing.</summary>
    public Func<string, bool> Lists { get; set; } = _ => true;

    public async Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ThrowIf(Storing(key));
        await inner.PutAsync(key, content, cancellationToken);
        ThrowIf(Stored(key));
    }

    public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ThrowIf(Reading(key) is IOException fault ? StoreFaults.OfReading(fault, Url, key, key) : Reading(key));
        await inner.ReadAsync(key, offset, buffer, cancellationToken);
    }

    public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken) =>
        Reading(key) is IOException fault ? new BrokenStream(fault) : await inner.OpenReadAsync(key, cancellationToken);

    public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!Lists(prefix))
        {
            yield break;
        }

        await foreach (var item in inner.ListAsync(prefix, cancellationToken))
        {
            yield return item;
        }
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static void ThrowIf(Exception? fault)
    {
        if (fault is not null)
        {
            throw fault;
        }
    }

    private sealed class BrokenStream(IOException fault) : ForwardReadStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw fault;
    }
}
