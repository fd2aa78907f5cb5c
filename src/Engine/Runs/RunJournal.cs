using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>
/// Gathers a run's log lines and progress and writes them behind the fence, at most twice a second; what came last is
/// always written. Lines are numbered by the catalog, so readers ask for what is new by number.
/// </summary>
internal sealed class RunJournal(RunHold hold, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan FlushEvery = TimeSpan.FromMilliseconds(500);
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _oneFlush = new(1, 1);
    private List<(DateTimeOffset At, string Level, string Phase, string Text)> _lines = [];
    private RunProgressReport? _progress;
    private RunProgressReport? _rateFrom;
    private bool _isProgressNew;

    public void Log(string level, string phase, string text)
    {
        lock (_gate)
        {
            _lines.Add((time.GetUtcNow(), level, phase, text));
        }
    }

    public void Report(TransferProgress report)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (_progress is null || _progress.Phase != report.Phase || report.BytesDone < _progress.BytesDone)
            {
                _rateFrom = null;
                _progress = new RunProgressReport(report.Phase, report.ItemsDone, report.ItemsTotal, report.BytesDone, report.BytesTotal, report.IsEstimate, null, now, now);
            }
            else
            {
                _progress = _progress with
                {
                    ItemsDone = report.ItemsDone, ItemsTotal = report.ItemsTotal, BytesDone = report.BytesDone,
                    BytesTotal = report.BytesTotal, IsEstimate = report.IsEstimate, At = now, BytesPerSecond = Rate(report.BytesDone, now),
                };
            }

            _rateFrom ??= _progress;
            _isProgressNew = true;
        }
    }

    /// <summary>Writes what has gathered, in order; nothing where there is nothing new. What could not be written waits for the next flush.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _oneFlush.WaitAsync(cancellationToken);
        try
        {
            await FlushGatheredAsync(cancellationToken);
        }
        finally
        {
            _oneFlush.Release();
        }
    }

    private async Task FlushGatheredAsync(CancellationToken cancellationToken)
    {
        List<(DateTimeOffset At, string Level, string Phase, string Text)> lines;
        RunProgressReport? progress;
        lock (_gate)
        {
            (lines, _lines) = (_lines, []);
            progress = _isProgressNew ? _progress : null;
            _isProgressNew = false;
        }

        if (lines.Count == 0 && progress is null)
        {
            return;
        }

        try
        {
            await hold.CommitAsync(transaction => WriteAsync(transaction, lines, progress, cancellationToken), cancellationToken);
        }
        catch
        {
            lock (_gate)
            {
                _lines.InsertRange(0, lines);
                _isProgressNew |= progress is not null;
            }

            throw;
        }
    }

    private Task WriteAsync(
        NpgsqlTransaction transaction, List<(DateTimeOffset At, string Level, string Phase, string Text)> lines, RunProgressReport? progress, CancellationToken cancellationToken) =>
        transaction.Command(
            """
            WITH numbered AS (
              UPDATE run SET event_seq = event_seq + $3, progress = coalesce($2, progress) WHERE id = $1 RETURNING event_seq - $3 AS base)
            INSERT INTO run_event (run_id, seq, at, level, phase, text)
            SELECT $1, base + line.n, line.at, line.level, line.phase, line.text
            FROM numbered, unnest($4::timestamptz[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY AS line (at, level, phase, text, n)
            """,
            hold.Run.Id.Value, new Jsonb(progress is null ? null : JsonSerializer.Serialize(progress, JsonSerializerOptions.Web)), (long)lines.Count,
            lines.Select(line => line.At).ToArray(), lines.Select(line => line.Level).ToArray(),
            lines.Select(line => line.Phase).ToArray(), lines.Select(line => line.Text).ToArray()).RunAsync(cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _oneFlush.Dispose();

    /// <summary>Flushes until cancelled.</summary>
    public async Task FlushContinuouslyAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(FlushEvery, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            await FlushAsync(cancellationToken);
        }
    }

    /// <summary>Bytes a second over a window of about five seconds, so that a stall shows soon and a burst does not.</summary>
    private double? Rate(long bytes, DateTimeOffset now)
    {
        var from = _rateFrom ?? _progress!;
        var seconds = (now - from.At).TotalSeconds;
        if (seconds > 5)
        {
            _rateFrom = _progress;
        }

        return seconds < 0.5 ? _progress!.BytesPerSecond : (bytes - from.BytesDone) / seconds;
    }
}
