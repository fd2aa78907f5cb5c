using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The data of a file as one stream: its extents one after the other, or its first bytes. The handle stays the caller's.</summary>
/// <param name="file">The open file.</param>
/// <param name="extents">The extents of a sparse file, else null.</param>
/// <param name="limit">Where to stop without extents: a file that grows as fast as it is read would never end.</param>
internal sealed class FileContentStream(SafeFileHandle file, IReadOnlyList<Extent>? extents, long limit) : Stream
{
    private int _extent;
    private long _within;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        if (extents is null)
        {
            var read = RandomAccess.Read(file, buffer[..(int)Math.Min(buffer.Length, limit - _within)], _within);
            _within += read;
            return read;
        }

        while (_extent < extents.Count)
        {
            var extent = extents[_extent];
            var room = (int)Math.Min(buffer.Length, extent.Length - _within);
            if (room == 0)
            {
                (_extent, _within) = (_extent + 1, 0);
                continue;
            }

            var read = RandomAccess.Read(file, buffer[..room], extent.Offset + _within);
            if (read == 0)
            {
                throw new EndOfStreamException("the file became shorter while it was read");
            }

            _within += read;
            return read;
        }

        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    // Files are read on workers: a blocking read there is cheaper than an asynchronous one.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
