using System.IO.Pipelines;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>A pipe that holds a few megabytes at most, between who makes bytes and who stores them.</summary>
internal static class BoundedPipe
{
    /// <summary>An empty one.</summary>
    public static Pipe New() => new(new PipeOptions(pauseWriterThreshold: 4 << 20, resumeWriterThreshold: 2 << 20, useSynchronizationContext: false));

    /// <summary>Runs a maker and ends the pipe with its success or its fault: its reader must see why there is no more.</summary>
    public static async Task FillAsync(PipeWriter output, Func<Task> fill)
    {
        Exception? failure = null;
        try
        {
            await fill();
        }
        catch (Exception error) when (Remember(error, out failure))
        {
            throw;
        }
        finally
        {
            await output.CompleteAsync(failure);
        }
    }

    /// <summary>
    /// Runs maker and reader side by side and returns what the reader did. When one fails the other is ended, and the fault is
    /// thrown that came first.
    /// </summary>
    public static async Task<T> ThroughAsync<T>(
        Func<PipeWriter, CancellationToken, Task> fill, Func<Stream, CancellationToken, Task<T>> drain, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pipe = New();
        var filling = FillAsync(pipe.Writer, () => fill(pipe.Writer, stop.Token));
        var isDrained = false;
        try
        {
            var result = await drain(pipe.Reader.AsStream(), stop.Token);
            isDrained = true;
            await filling;
            return result;
        }
        finally
        {
            if (!isDrained)
            {
                await stop.CancelAsync();
                await pipe.Reader.CompleteAsync();
                await filling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>An exception filter that lets everything pass.</summary>
    private static bool Remember(Exception error, out Exception failure)
    {
        failure = error;
        return false;
    }
}
