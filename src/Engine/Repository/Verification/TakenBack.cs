namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Takes manifests back that could not be proven after they were brought from another tier.</summary>
internal static class TakenBack
{
    /// <summary>
    /// Deletes a manifest whose chunks are not all there. Not any other: whoever else brought the same restore point at the same time
    /// may have proven and counted it. One that cannot be read is left for the check to name.
    /// </summary>
    public static async Task TakeBackAsync(RepositoryParts parts, string key)
    {
        try
        {
            var manifest = await parts.Manifests.ReadAsync(key, CancellationToken.None);
            await parts.Index.RefreshAsync(CancellationToken.None);
            var closure = await Closure.CollectAsync(parts, manifest, CancellationToken.None);
            if (closure.Faults.Count > 0 || closure.Entries.Any(number => parts.Index.Index.Pack(parts.Index.Index.Place(number).Pack).IsMarked))
            {
                await parts.Store.DeleteAsync(key, CancellationToken.None);
            }
        }
        catch (EngineException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
        {
            // Not there, or not what was brought: nothing to take back.
        }
    }
}
