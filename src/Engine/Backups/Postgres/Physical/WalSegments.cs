using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Takes WAL as one run of bytes from the beginning of a segment on, and writes it as the segment files that a server looks
/// for. The last one is filled up with zeros, which is where replay ends.
/// </summary>
internal sealed class WalSegments(string directory, uint timeline, ulong start, WalSegmentSize size) : Stream
{
    private FileStream? _file;
    private ulong _at = start;

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
        while (buffer.Length > 0)
        {
            var within = size.OffsetOf(_at);
            if (_file is null || within == 0)
            {
                await CloseAsync();
                _file = new FileStream(
                    Path.Combine(directory, size.FileName(timeline, size.SegmentOf(_at))), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
                _file.SetLength(size.Bytes);
            }

            var some = Math.Min(buffer.Length, size.Bytes - within);
            await _file.WriteAsync(buffer[..some], cancellationToken);
            _at += (ulong)some;
            buffer = buffer[some..];
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await base.DisposeAsync();
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task CloseAsync()
    {
        if (_file is { } file)
        {
            file.Flush(flushToDisk: true);
            await file.DisposeAsync();
            _file = null;
        }
    }
}
