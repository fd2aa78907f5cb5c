using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>
/// How long a request may make no progress. Each block of an upload's body that is taken begins the time anew, so that a
/// slow line may take as long as it needs and a dead one is given up soon, however large the object is.
/// </summary>
internal sealed class RequestLimit : IDisposable
{
    /// <summary>The system takes blocks ahead of a slow line and then none for a while: so much, at the slowest line that is waited for.</summary>
    private const double BytesAhead = 1024 * 1024;
    private const double SlowestBytesPerSecond = 64 * 1024;
    private readonly CancellationTokenSource _source;
    private readonly TimeSpan _timeout;

    public RequestLimit(TimeSpan timeout, CancellationToken cancellationToken)
    {
        _source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _timeout = timeout;
        _source.CancelAfter(timeout);
    }

    /// <summary>Set when the time is up, or when the caller gives up.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The body of an upload, whose being read is the progress.</summary>
    public Stream Watch(ReadOnlyMemory<byte> content) => new Body(
        MemoryMarshal.TryGetArray(content, out var array) ? array : new ArraySegment<byte>(content.ToArray()),
        taken => _source.CancelAfter(_timeout + TimeSpan.FromSeconds(Math.Min(taken, BytesAhead) / SlowestBytesPerSecond)));

    public void Dispose() => _source.Dispose();

    private sealed class Body(ArraySegment<byte> content, Action<long> onRead) : MemoryStream(content.Array!, content.Offset, content.Count, writable: false)
    {
        public override int Read(Span<byte> buffer) => Tell(base.Read(buffer));

        public override int Read(byte[] buffer, int offset, int count) => Tell(base.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Tell(await base.ReadAsync(buffer, cancellationToken));

        public override async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            Tell(await base.ReadAsync(buffer.AsMemory(offset, count), cancellationToken));

        private int Tell(int read)
        {
            onRead(Position);
            return read;
        }
    }
}
