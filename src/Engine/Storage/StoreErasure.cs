namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>A store that may keep what was deleted or replaced as former versions.</summary>
internal interface IVersionedStore
{
    /// <summary>Deletes all objects whose key begins with <paramref name="prefix"/>, with each former version of them and of those that were deleted before.</summary>
    /// <returns>How many versions are gone.</returns>
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
        if (store is IVersionedStore versioned)
        {
            return await versioned.EraseAsync(prefix, cancellationToken);
        }

        var found = await store.ListAsync(prefix, cancellationToken).ToListAsync(cancellationToken);
        foreach (var item in found)
        {
            await store.DeleteAsync(item.Key, cancellationToken);
        }

        await foreach (var left in store.ListAsync(prefix, cancellationToken))
        {
            throw new EngineException("not-erased", ErrorKind.Denied, $"{store.Url} still lists {left.Key}", "look at the store's rights, and at who writes there");
        }

        return found.Count;
    }
}
