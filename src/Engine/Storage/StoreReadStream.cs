namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// A forward-only stream over an object in a remote store: faults of the transport become the port's, each read may take only
/// so long, and what the stream holds (a session, an answer) is given back at its end.
/// </summary>
/// <param name="inner">The transport's stream.</param>
/// <param name="timeout">How long one read may take; without bound where null.</param>
/// <param name="held">Given back when the stream is disposed, after <paramref name="inner"/>.</param>
/// <param name="translate">The port's fault for the transport's, or null for what is to be thrown as it is.</param>
internal sealed class StoreReadStream(Stream inner, TimeSpan? timeout, IDisposable held, Func<Exception, EngineException?> translate) : ForwardReadStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var limit = timeout is null ? null : CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit?.CancelAfter(timeout!.Value);
        try
        {
            return await inner.ReadAsync(buffer, limit?.Token ?? cancellationToken);
        }
        catch (OperationCanceledException) when (limit is { IsCancellationRequested: true } && !cancellationToken.IsCancellationRequested)
        {
            throw translate(new TimeoutException("no bytes came in time"))!;
        }
        catch (Exception fault) when (fault is not OperationCanceledException && translate(fault) is { } said)
        {
            throw said;
        }
    }

    public override async ValueTask DisposeAsync()
    {
        try
        {
            await inner.DisposeAsync();
        }
        catch (Exception fault) when (translate(fault) is not null)
        {
            // All that was wanted has been read; closing on a broken connection changes nothing.
        }
        finally
        {
            held.Dispose();
        }

        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            try
            {
                inner.Dispose();
            }
            catch (Exception fault) when (translate(fault) is not null)
            {
                // As above.
            }
            finally
            {
                held.Dispose();
            }
        }

        base.Dispose(disposing);
    }
}
