namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>A forward-only stream that goes on by ranges where its connection breaks off.</summary>
/// <param name="store">Reads the ranges, and repeats that where it fails.</param>
/// <param name="key">The object.</param>
/// <param name="first">The stream while it works.</param>
internal sealed class ResumingStream(IObjectStore store, string key, Stream first) : ForwardReadStream
{
    private Stream? _stream = first;
    private long _position;
    private long? _length;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_stream is not null)
        {
            try
            {
                var read = await _stream.ReadAsync(buffer, cancellationToken);
                _position += read;
                return read;
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                await _stream.DisposeAsync();
                _stream = null;
            }
        }

        _length ??= (await store.StatAsync(key, cancellationToken) ?? throw StoreFaults.NotFound(store.Url, key)).Length;
        var count = (int)Math.Min(buffer.Length, _length.Value - _position);
        if (count > 0)
        {
            await store.ReadAsync(key, _position, buffer[..count], cancellationToken);
            _position += count;
        }

        return Math.Max(count, 0);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_stream is not null)
        {
            await _stream.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream?.Dispose();
        }

        base.Dispose(disposing);
    }
}
