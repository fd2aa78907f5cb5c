using Hexabase.DrConsole.Engine.Storage.S3;
using Hexabase.DrConsole.Engine.Storage.Sftp;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// What the stores below one URL share: SFTP sessions, HTTP connections. One per tier keeps their number bounded however
/// many workspaces the tier holds.
/// </summary>
public sealed class StoreConnection : IDisposable
{
    private readonly StoreUrl _url;
    private readonly TimeProvider _time;
    private readonly SftpConnections? _sftp;
    private readonly S3Connection? _s3;

    private StoreConnection(StoreUrl url, TimeProvider time)
    {
        (_url, _time) = (url, time);
        _sftp = url.Sftp is { } remote ? new SftpConnections(remote, time) : null;
        _s3 = url.S3 is { } bucket ? new S3Connection(bucket) : null;
    }

    /// <summary>Describes the way to a store; connects at the first call of a store opened here.</summary>
    /// <exception cref="EngineException">A credential or key that the URL names cannot be read.</exception>
    public static StoreConnection To(StoreUrl url, TimeProvider? time = null) => new(url, time ?? TimeProvider.System);

    /// <summary>The store, or the one in a folder of it. Disposing it leaves the connection open.</summary>
    public IObjectStore Open(string? folder = null) => Open(folder is null ? _url : _url.Combine(folder), null);

    /// <summary>The store; disposing it closes the connection too.</summary>
    internal IObjectStore OpenAndOwn() => Open(_url, this);

    /// <inheritdoc/>
    public void Dispose()
    {
        _s3?.Dispose();
        _sftp?.Dispose();
    }

    private IObjectStore Open(StoreUrl url, IDisposable? owned) =>
        _sftp is not null ? new SftpStore(_sftp, url.Path, url.Display, _time, owned)
        : _s3 is not null ? new S3Store(_s3, url.Path, url.Display, owned)
        : new FileSystemStore(url.Path, _time);
}
