namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>Writes a raw image and leaves holes where it holds nothing but zeros, so that it takes no more space than its content.</summary>
internal sealed class SparseFileStream(FileStream file) : Stream
{
    private const int BlockBytes = 4096;
    private long _position;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _position;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            // Whole blocks of the file system only: a hole cannot be smaller.
            var length = Math.Min(buffer.Length, BlockBytes - (int)(_position % BlockBytes));
            if (length < BlockBytes || buffer[..length].ContainsAnyExcept((byte)0))
            {
                RandomAccess.Write(file.SafeFileHandle, buffer[..length], _position);
            }

            _position += length;
            buffer = buffer[length..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Gives the file its length, which ends in a hole where the image does, and makes it durable.</summary>
    public void Complete()
    {
        RandomAccess.SetLength(file.SafeFileHandle, _position);
        file.Flush(flushToDisk: true);
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
