using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>
/// Keeps documents until their turn to be stored: in memory, and beyond a bound in a nameless file, encrypted with a key that
/// dies with this object, since Secrets are among them. A list that begins again empties it.
/// </summary>
internal sealed class ObjectSpool : IDisposable
{
    private const int MemoryBytes = 8 * 1024 * 1024;
    private MemoryStream _memory = new();
    private FileStream? _file;
    private CryptoStream? _writer;
    private Aes? _aes;

    /// <summary>Bytes that it holds.</summary>
    public long Length { get; private set; }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_writer is null && Length + bytes.Length > MemoryBytes)
        {
            _aes = Aes.Create();
            // Written and read once each, in one piece, by this process only: the mode needs to hide, not to authenticate.
            _file = new FileStream(Path.Combine(Path.GetTempPath(), "drconsole-" + Guid.NewGuid().ToString("N")), new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Options = FileOptions.DeleteOnClose,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            File.Delete(_file.Name);
            _writer = new CryptoStream(_file, _aes.CreateEncryptor(), CryptoStreamMode.Write, leaveOpen: true);
            _writer.Write(_memory.GetBuffer().AsSpan(0, (int)_memory.Length));
            _memory = new MemoryStream();
        }

        ((Stream?)_writer ?? _memory).Write(bytes);
        Length += bytes.Length;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Close();
        _memory = new MemoryStream();
        Length = 0;
    }

    /// <summary>What was appended, from its beginning; nothing can be appended any more.</summary>
    public Stream Read()
    {
        if (_writer is null)
        {
            return new MemoryStream(_memory.GetBuffer(), 0, (int)_memory.Length, writable: false);
        }

        if (!_writer.HasFlushedFinalBlock)
        {
            _writer.FlushFinalBlock();
        }

        _file!.Position = 0;
        return new CryptoStream(_file, _aes!.CreateDecryptor(), CryptoStreamMode.Read, leaveOpen: true);
    }

    public void Dispose() => Close();

    private void Close()
    {
        // Disposing an encryptor writes its last block; the file is going away with it.
        _writer?.Dispose();
        _file?.Dispose();
        _aes?.Dispose();
        (_writer, _file, _aes) = (null, null, null);
    }
}

/// <summary>Several streams as one, each opened when its turn comes.</summary>
internal sealed class StreamsInTurn(IEnumerable<Func<Stream>> parts) : Stream
{
    private readonly Queue<Func<Stream>> _parts = new(parts);
    private Stream? _current;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        while (buffer.Length > 0 && Next() is { } current)
        {
            var read = current.Read(buffer);
            if (read > 0)
            {
                return read;
            }

            current.Dispose();
            _current = null;
        }

        return 0;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _current?.Dispose();
        base.Dispose(disposing);
    }

    private Stream? Next() => _current ??= _parts.TryDequeue(out var open) ? open() : null;
}
