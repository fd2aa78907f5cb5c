namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>A store that may keep more of an object than a listing shows: former versions, or what a writer that was killed had written of it.</summary>
internal interface IErasableStore
{
    /// <summary>
    /// Deletes all objects whose key begins with <paramref name="prefix"/>, with each former version of them and of those that were deleted
    /// before, and whatever writers left of objects that never got their name: nobody can tell of which.
    /// </summary>
    /// <returns>How many objects, each version counted, are gone.</returns>
    /// <exception cref="EngineException">Kind Denied: some cannot be deleted, or nobody may see whether there are any.</exception>
    Task<int> EraseAsync(string prefix, CancellationToken cancellationToken);
}

/// <summary>Deletes so that nothing can be read any more by anybody, which <see cref="IObjectStore.DeleteAsync"/> does not promise.</summary>
internal static class StoreErasure
{
    /// <summary>Deletes all objects whose key begins with <paramref name="prefix"/>, and what the store keeps of earlier ones.</summary>
    /// <returns>How many were deleted.</returns>
    /// <exception cref="EngineException">Kind Denied: some are left.</exception>
    public static async Task<int> EraseAsync(IObjectStore store, string prefix, CancellationToken cancellationToken)
    {
        return store is IErasableStore erasable ? await erasable.EraseAsync(prefix, cancellationToken) : await EraseListedAsync(store, prefix, cancellationToken);
    }

    /// <summary>The same of a store that has no more than it lists.</summary>
    public static async Task<int> EraseListedAsync(IObjectStore store, string prefix, CancellationToken cancellationToken)
    {
        var found = await store.ListAsync(prefix, cancellationToken).ToListAsync(cancellationToken);
        foreach (var item in found)
        {
            await store.DeleteAsync(item.Key, cancellationToken);
        }

        await foreach (var left in store.ListAsync(prefix, cancellationToken))
        {
            throw NotErased(store, left.Key);
        }

        return found.Count;
    }

    /// <summary>Something is still there after all of it was deleted.</summary>
    public static EngineException NotErased(IObjectStore store, string what) => new(
        "not-erased", ErrorKind.Denied, $"{store.Url} still lists {what}", "look at the store's rights, and at who writes there");
}
