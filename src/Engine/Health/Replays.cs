using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Thresholds to judge the kept rounds by; what is null is as configured.</summary>
public sealed record ReplayThresholds(int? SuspectAfter = null, int? ConfirmAfter = null, int? KindsToConfirm = null, int? HealthyAfter = null)
{
    public const int Most = 1000;

    /// <summary>The whole set.</summary>
    /// <exception cref="EngineException"><c>thresholds-invalid</c>, with every mistake at once.</exception>
    public HealthThresholds Over(HealthThresholds configured)
    {
        ArgumentNullException.ThrowIfNull(configured);
        var all = configured with
        {
            SuspectAfter = SuspectAfter ?? configured.SuspectAfter, ConfirmAfter = ConfirmAfter ?? Math.Max(SuspectAfter ?? 0, configured.ConfirmAfter),
            KindsToConfirm = KindsToConfirm ?? configured.KindsToConfirm, HealthyAfter = HealthyAfter ?? configured.HealthyAfter,
        };
        (string Name, int Value)[] values = [("suspect", all.SuspectAfter), ("confirm", all.ConfirmAfter), ("kinds", all.KindsToConfirm), ("healthy", all.HealthyAfter)];
        List<string> mistakes = [.. values.Where(one => one.Value is < 1 or > Most).Select(one => $"{one.Name} is {one.Value}, and not from 1 to {Most}")];
        if (all.ConfirmAfter < all.SuspectAfter)
        {
            mistakes.Add($"confirm is {all.ConfirmAfter}, which is before it is suspected after {all.SuspectAfter}");
        }

        return mistakes.Count == 0 ? all : throw new EngineException("thresholds-invalid", ErrorKind.Input, string.Join("; ", mistakes), "Correct it and send it again.");
    }
}

/// <summary>The kept rounds judged anew.</summary>
/// <param name="From">The first round; null where none is kept.</param>
/// <param name="Rounds">How many there are.</param>
public sealed record Replay(DateTimeOffset? From, DateTimeOffset? To, int Rounds, HealthThresholds Thresholds, IReadOnlyList<ReplayedIncident> Incidents);

/// <summary>Judges the rounds that are kept whole again, with other thresholds. Changes nothing.</summary>
public sealed class Replays(HealthHistory history, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>Single rounds are kept for a day; older ones are summed up and cannot be judged again.</summary>
    public static readonly TimeSpan Reach = TimeSpan.FromHours(24);

    /// <exception cref="EngineException">As <see cref="ReplayThresholds.Over"/>.</exception>
    public async Task<Replay> RunAsync(ReplayThresholds asked, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(asked);
        var thresholds = asked.Over(estate.Health.Thresholds);
        var now = time.GetUtcNow();
        var rounds = await history.RoundsAsync(now - Reach, now, cancellationToken);
        return rounds.Count == 0 ? new Replay(null, null, 0, thresholds, []) : new Replay(rounds[0].At, rounds[^1].At, rounds.Count, thresholds, ShadowReplay.Run(rounds, thresholds));
    }
}
