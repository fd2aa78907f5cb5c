namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>Counts from many threads and reports at most four times a second, and once at the end.</summary>
internal sealed class ProgressMeter(IProgress<TransferProgress>? progress, TimeProvider time, string phase, long? itemsTotal = null, long? bytesTotal = null)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private long? _itemsTotal = itemsTotal;
    private long? _bytesTotal = bytesTotal;
    private bool _isEstimate;
    private long _items;
    private long _bytes;
    private long _next = time.GetTimestamp();

    /// <summary>True where somebody looks at the progress.</summary>
    public bool IsWatched => progress is not null;

    /// <summary>Tells the totals, once they are known or can be guessed.</summary>
    public void Expect(long items, long bytes, bool isEstimate) => (_itemsTotal, _bytesTotal, _isEstimate) = (items, bytes, isEstimate);

    public void Add(long items, long bytes)
    {
        var itemsNow = Interlocked.Add(ref _items, items);
        var bytesNow = Interlocked.Add(ref _bytes, bytes);
        var next = Interlocked.Read(ref _next);
        var now = time.GetTimestamp();
        if (progress is not null && now >= next
            && Interlocked.CompareExchange(ref _next, now + (long)(Interval.TotalSeconds * time.TimestampFrequency), next) == next)
        {
            progress.Report(new TransferProgress(phase, itemsNow, _itemsTotal, bytesNow, _bytesTotal, _isEstimate));
        }
    }

    public void Finish() => progress?.Report(
        new TransferProgress(phase, Interlocked.Read(ref _items), _itemsTotal, Interlocked.Read(ref _bytes), _bytesTotal, _isEstimate));
}
