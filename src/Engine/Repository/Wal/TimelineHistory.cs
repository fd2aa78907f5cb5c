using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>An ancestor of a timeline, up to where it was left.</summary>
/// <param name="Timeline">The ancestor.</param>
/// <param name="SwitchLsn">Where the next timeline begins.</param>
public readonly record struct TimelineSwitch(uint Timeline, ulong SwitchLsn);

/// <summary>A timeline history file, parsed.</summary>
/// <param name="Timeline">The timeline whose history it is.</param>
/// <param name="Ancestors">Oldest first; the last one is the parent.</param>
public sealed record TimelineHistory(uint Timeline, IReadOnlyList<TimelineSwitch> Ancestors)
{
    /// <summary>The timeline that this one was made from.</summary>
    public uint ParentTimeline => Ancestors[^1].Timeline;

    /// <summary>Where this timeline begins and its parent ends.</summary>
    public ulong SwitchLsn => Ancestors[^1].SwitchLsn;

    /// <summary>When the store took the file: the timeline had begun by then. Null where it was not read from a store.</summary>
    public DateTimeOffset? StoredAt { get; init; }

    /// <summary>Reads a history file: per line a timeline, an LSN and a reason; empty lines and those after # say nothing.</summary>
    /// <exception cref="EngineException">Kind Input where it is none.</exception>
    public static TimelineHistory Parse(uint timeline, ReadOnlySpan<byte> text)
    {
        var ancestors = new List<TimelineSwitch>();
        foreach (var line in Encoding.UTF8.GetString(text).Split('\n'))
        {
            var trimmed = line.Trim();
            if (trimmed.Length == 0 || trimmed.StartsWith('#'))
            {
                continue;
            }

            var parts = trimmed.Split((char[])[' ', '\t'], 3, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length < 2 || !uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ancestor) || !Lsn.TryParse(parts[1], out var at)
                || ancestor >= timeline || (ancestors.Count > 0 && (ancestor <= ancestors[^1].Timeline || at.Value < ancestors[^1].SwitchLsn)))
            {
                throw Invalid(timeline, $"the line '{trimmed}' is none of a history");
            }

            ancestors.Add(new TimelineSwitch(ancestor, at.Value));
        }

        return ancestors.Count > 0 ? new TimelineHistory(timeline, ancestors) : throw Invalid(timeline, "it names no ancestor");
    }

    private static EngineException Invalid(uint timeline, string cause) => new(
        "timeline-history-invalid", ErrorKind.Input, $"the history of timeline {timeline} is not as PostgreSQL writes it: {cause}",
        "look at the .history files in the server's pg_wal");
}
