namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// A tool's standard input. A tool may stop reading before the end (pg_restore does when it has what it wants); what is
/// written after that is dropped, so that the reader of the repository goes on to the artifact's end and verifies it.
/// </summary>
/// <param name="input">The pipe.</param>
/// <param name="onClosed">Called once when the tool no longer reads.</param>
internal sealed class ToolInput(Stream input, Action? onClosed = null) : Stream
{
    private bool _isClosed;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isClosed)
        {
            return;
        }

        try
        {
            await input.WriteAsync(buffer, cancellationToken);
        }
        catch (IOException)
        {
            // EPIPE: the exit code will tell whether that was right.
            _isClosed = true;
            onClosed?.Invoke();
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
