namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>WAL that is missing between two parts that are stored.</summary>
/// <param name="Timeline">The timeline that its first byte is missing of, as a receiver names a gap: what follows it may lie on a later one.</param>
/// <param name="StartLsn">Its first byte.</param>
/// <param name="EndLsn">The byte after its last.</param>
public sealed record WalHole(uint Timeline, ulong StartLsn, ulong EndLsn)
{
    /// <summary>True where something is stored there that is known to be damaged, in one of the looks at least.</summary>
    public bool IsDamaged { get; init; }

    /// <summary>What is missing in each of several looks.</summary>
    internal static IReadOnlyList<WalHole> Common(IReadOnlyList<IReadOnlyList<WalHole>> looks) => looks.Skip(1).Aggregate(
        looks[0], (common, look) =>
        [
            .. from one in common
               from other in look
               where one.Timeline == other.Timeline
               let start = Math.Max(one.StartLsn, other.StartLsn)
               let end = Math.Min(one.EndLsn, other.EndLsn)
               where start < end
               select new WalHole(one.Timeline, start, end) { IsDamaged = one.IsDamaged || other.IsDamaged },
        ]);
}
