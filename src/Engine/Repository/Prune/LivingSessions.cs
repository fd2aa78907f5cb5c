namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>The sessions of a store, told apart into those that may still be at work and those that are over.</summary>
/// <param name="Living">One record a session; null for an object that cannot be read, which counts as a session that honours no mark.</param>
/// <param name="Over">Keys of objects that belong to ended, dead or renewed sessions.</param>
internal sealed record LivingSessions(IReadOnlyList<SessionRecord?> Living, IReadOnlyList<string> Over)
{
    /// <summary>Stores give times in whole seconds, and a renewal takes a while to arrive.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    /// <summary>Judges by the store's clock alone: the writers' own clocks do not matter.</summary>
    /// <param name="stored">All objects.</param>
    /// <param name="now">The store's time.</param>
    /// <param name="own">The session of the caller, which is neither.</param>
    /// <param name="unknownLife">The life of a session whose object cannot be read.</param>
    public static LivingSessions Of(IReadOnlyList<StoredSession> stored, DateTimeOffset now, string? own, TimeSpan unknownLife)
    {
        var living = new List<SessionRecord?>();
        var over = new List<string>();
        foreach (var unreadable in stored.Where(session => session.Record is null))
        {
            if (unreadable.WrittenAt + unknownLife + Slack > now)
            {
                living.Add(null);
            }
            else
            {
                over.Add(unreadable.Key);
            }
        }

        foreach (var session in stored.Where(s => s.Record is not null && s.Record.Session != own).GroupBy(s => s.Record!.Session))
        {
            var newest = session.MaxBy(s => s.Record!.Sequence)!;
            var isAlive = !newest.Record!.HasEnded && session.Max(s => s.WrittenAt) + TimeSpan.FromSeconds(newest.Record.LifeSeconds) + Slack > now;
            if (isAlive)
            {
                living.Add(newest.Record);
            }

            // The last but one of a living session stays, so that no listing can miss both while it renews itself.
            over.AddRange(session.Where(s => !isAlive || s.Record!.Sequence < newest.Record.Sequence - 1).Select(s => s.Key));
        }

        return new LivingSessions(living, over);
    }
}
