namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>An object as a listing shows it.</summary>
/// <param name="Key">Relative key with forward slashes, for example <c>packs/ab/abcd…</c>.</param>
/// <param name="Length">Size in bytes.</param>
/// <param name="LastModified">When the store says it was written.</param>
public readonly record struct ObjectInfo(string Key, long Length, DateTimeOffset LastModified);

/// <summary>
/// A place that keeps immutable objects. Contract for every implementation:
/// <list type="bullet">
/// <item>keys are relative, lower-case ASCII letters, digits, <c>-</c>, <c>_</c>, <c>.</c> and <c>/</c>, never <c>..</c>;</item>
/// <item>when <see cref="PutAsync"/> returns the object is durable and whole; a reader never sees a part of it;</item>
/// <item>putting the same key again replaces it atomically; callers only do so with the same bytes;</item>
/// <item>listing and reading see every put that returned before;</item>
/// <item>a missing object is an <see cref="EngineException"/> of kind <see cref="ErrorKind.NotFound"/>,
/// a full store <see cref="ErrorKind.OutOfSpace"/>, refused rights <see cref="ErrorKind.Denied"/>;</item>
/// <item>implementations do not retry: a decorator does.</item>
/// </list>
/// All members may be called at the same time from several threads.
/// </summary>
public interface IObjectStore : IAsyncDisposable
{
    /// <summary>The store's URL without credentials, for messages and pages.</summary>
    string Url { get; }

    /// <summary>Stores <paramref name="content"/> whole and durably under <paramref name="key"/>.</summary>
    Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Reads <paramref name="buffer"/>.Length bytes from <paramref name="offset"/>; throws kind Damaged where the object is shorter.</summary>
    Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Opens the whole object as a forward-only stream, to be read asynchronously.</summary>
    Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>Size and time of one object, or null where it does not exist.</summary>
    Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken);

    /// <summary>All objects whose key starts with <paramref name="prefix"/>, ordered by key.</summary>
    IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Deletes one object; deleting what is not there is not an error.</summary>
    Task DeleteAsync(string key, CancellationToken cancellationToken);
}
