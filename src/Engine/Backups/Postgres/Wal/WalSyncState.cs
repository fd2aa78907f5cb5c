namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>What a server says of the standbys that its commits wait for.</summary>
/// <param name="Names"><c>synchronous_standby_names</c>; empty where no commit waits for anybody.</param>
/// <param name="MaySee">True where the role may see other sessions (<c>pg_read_all_stats</c>); false leaves the rest unknown.</param>
/// <param name="State"><c>sync_state</c> of the receiver's connection; null where it does not stream, or may not be seen.</param>
/// <param name="HasOther">True where another standby is a synchronous one now.</param>
/// <param name="Waiting">The sessions that wait for a standby at this moment, each by its process and the beginning of its statement.</param>
public sealed record WalSyncState(string Names, bool MaySee, string? State, bool HasOther, IReadOnlyList<string> Waiting)
{
    /// <summary>
    /// Whether a commit may have to wait for this receiver. One that catches up is <c>potential</c> like one that is next in line: it is
    /// waited for where no other is synchronous.
    /// </summary>
    public bool MayWaitForReceiver => Names.Length > 0 && (!MaySee || State switch
    {
        "async" => false,
        "potential" => !HasOther,
        _ => true,
    });

    /// <summary>Why commits do not wait for a receiver that is configured as synchronous, or what cannot be seen of it; null where all is as it should be.</summary>
    /// <param name="slot">The receiver's name.</param>
    public string? Notice(string slot) => this switch
    {
        { Names.Length: 0 } => "the source is configured as synchronous, but synchronous_standby_names is empty on its server: no commit waits for the tiers, and the last ones can be lost",
        { MaySee: false } => "the role may not see which sessions of the server wait, nor for whom (pg_read_all_stats): whether commits wait is concluded from what the tiers hold",
        { MayWaitForReceiver: false } => $"the source is configured as synchronous, but its server waits for others (synchronous_standby_names = '{Names}', and {slot} is {State}): no commit waits for the tiers, and the last ones can be lost",
        _ => null,
    };
}

/// <summary>For how long sessions have been seen waiting, look after look: the server says that one waits, and not since when.</summary>
/// <param name="time">The clock.</param>
internal sealed class WalSyncWaits(TimeProvider time)
{
    private Dictionary<string, long> _since = [];

    /// <summary>How many wait now.</summary>
    public int Count => _since.Count;

    /// <summary>For how long the one that has waited longest has been seen to; zero where none does.</summary>
    public TimeSpan Longest => _since.Count == 0 ? TimeSpan.Zero : time.GetElapsedTime(_since.Values.Min());

    /// <summary>One look. Who is in it and was in the last waits still: of a busy server's commits, each waits for a moment only.</summary>
    public void Look(IReadOnlyList<string> waiting)
    {
        var now = time.GetTimestamp();
        _since = waiting.Distinct().ToDictionary(one => one, one => _since.GetValueOrDefault(one, now));
    }
}
