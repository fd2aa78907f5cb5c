namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>What every reader of small objects needs.</summary>
public static class ObjectStoreReading
{
    /// <summary>The whole object; meant for objects that fit into memory.</summary>
    /// <exception cref="EngineException">Kind NotFound where it does not exist.</exception>
    public static async Task<byte[]> ReadAllAsync(this IObjectStore store, string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        var info = await store.StatAsync(key, cancellationToken) ?? throw StoreFaults.NotFound(store.Url, key);
        var content = new byte[info.Length];
        await store.ReadAsync(key, 0, content, cancellationToken);
        return content;
    }

    /// <summary>True where any object's key starts with <paramref name="prefix"/>.</summary>
    public static async Task<bool> AnyAsync(this IObjectStore store, string prefix, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        await foreach (var _ in store.ListAsync(prefix, cancellationToken))
        {
            return true;
        }

        return false;
    }
}
