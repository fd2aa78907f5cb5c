using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>
/// Reads for pages what tiers say of stored WAL. A look opens a repository and lists its WAL, so that every reader of a page does not
/// ask anew it holds for a minute; and no page waits for a store that hangs.
/// </summary>
internal sealed class TierLines(TierRepositories tiers, TimeProvider time)
{
    private static readonly TimeSpan s_holds = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(StorageTier Tier, string Workspace), (StoredLines Lines, DateTimeOffset At)> _known = new();
    private readonly SharedLooks<(StorageTier Tier, string Workspace), StoredLines> _readings = new();

    /// <summary>What the tier says, at most a minute old; with the fault where it does not answer, or not in time.</summary>
    public async Task<StoredLines> ReadAsync(StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue((tier, workspace), out var known) && time.GetUtcNow() - known.At < s_holds)
        {
            return known.Lines;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            return await _readings.At((tier, workspace), () => ReadAsync(tier, workspace)).WaitAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new StoredLines([], $"{tier.Name} does not answer in time");
        }
    }

    private async Task<StoredLines> ReadAsync(StorageTier tier, string workspace)
    {
        try
        {
            await using var repository = await tiers.OpenAsync(tier, workspace, CancellationToken.None);
            var lines = await StoredLines.ReadAsync(repository, CancellationToken.None);
            _known[(tier, workspace)] = (lines, time.GetUtcNow());
            return lines;
        }
        catch (EngineException fault)
        {
            return new StoredLines([], fault.Message);
        }
    }
}
