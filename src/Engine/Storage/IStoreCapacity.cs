namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>The file system or quota that a store stands on.</summary>
/// <param name="TotalBytes">Its size.</param>
/// <param name="FreeBytes">What may still be written.</param>
public readonly record struct StoreCapacity(long TotalBytes, long FreeBytes);

/// <summary>A store that can tell how much it holds; object storage mostly cannot.</summary>
public interface IStoreCapacity
{
    /// <summary>The capacity now, or null where it cannot be told (the directory is not there yet).</summary>
    Task<StoreCapacity?> CapacityAsync(CancellationToken cancellationToken);
}
