namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>A store whose listing can begin anywhere, so that one that broke off need not be read again from its start.</summary>
public interface IResumableListing
{
    /// <summary>As <see cref="IObjectStore.ListAsync"/>, but only keys behind <paramref name="after"/>; all where it is null.</summary>
    IAsyncEnumerable<ObjectInfo> ListAfterAsync(string prefix, string? after, CancellationToken cancellationToken);
}
