using System.IO.Pipelines;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Lets a snapshot pass to whoever stores it, while a thread of its own reads the same bytes through: counts, digest, checksum.
/// What is stored is thereby what was understood, and nothing is held but a few blocks.
/// </summary>
internal sealed class InspectedSnapshot : ReadOnceStream
{
    private const int MostAhead = 8 * 1024 * 1024;
    private readonly Stream _snapshot;
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: MostAhead, resumeWriterThreshold: MostAhead / 2, minimumSegmentSize: 64 * 1024, useSynchronizationContext: false));
    private readonly Task<RdbContent> _content;
    private long _keys;
    private bool _isEnded;

    public InspectedSnapshot(Stream snapshot)
    {
        _snapshot = snapshot;
        _content = Task.Factory.StartNew(Inspect, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Keys that passed so far.</summary>
    public long Keys => Interlocked.Read(ref _keys);

    /// <summary>What it holds, once all of it has passed.</summary>
    /// <exception cref="EngineException"><c>redis-rdb-damaged</c>, <c>redis-type-unknown</c>.</exception>
    public Task<RdbContent> ContentAsync() => _content;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isEnded || buffer.Length == 0)
        {
            return 0;
        }

        var read = await _snapshot.ReadAsync(buffer, cancellationToken);
        if (read == 0)
        {
            _isEnded = true;
            await _pipe.Writer.CompleteAsync();
            return 0;
        }

        if ((await _pipe.Writer.WriteAsync(buffer[..read], cancellationToken)).IsCompleted)
        {
            // It found damage, or read to an end that is not the stream's: storing the rest would be in vain.
            await _content;
        }

        return read;
    }

    /// <summary>Ends the thread where the snapshot did not pass to its end.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (!_isEnded)
        {
            _isEnded = true;
            await _pipe.Writer.CompleteAsync(new OperationCanceledException());
        }

        await ((Task)_content).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await base.DisposeAsync();
    }

    private RdbContent Inspect()
    {
        try
        {
            using var bytes = _pipe.Reader.AsStream(leaveOpen: true);
            return RdbContent.Read(bytes, keys => Interlocked.Exchange(ref _keys, keys));
        }
        finally
        {
            _pipe.Reader.Complete();
        }
    }
}
