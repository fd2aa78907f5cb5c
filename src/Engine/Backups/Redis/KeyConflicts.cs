using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Compares the keys of a snapshot that are wanted with those of a living server. A key that is there with the same content
/// and expiry is no conflict and is left; one with others is, and is only overwritten where that was chosen.
/// </summary>
/// <param name="time">Says which keys' time is over: they are left out, whatever is on the server.</param>
internal sealed class KeyConflicts(StoredSnapshot snapshot, RedisTarget target, TimeProvider time)
{
    /// <summary>More than that nobody has read before confirming them.</summary>
    internal const int MostOverwritten = 1000;

    /// <summary>A backup key by key measures expiries by a clock of its own, and a server before Redis 7 tells only how much is left.</summary>
    private const long SameExpiryMs = 5000;

    private const int NamesInFault = 20;
    private const string Overwritten = "~ ";

    /// <summary>What a server says of the expiry of a key that is not there.</summary>
    private const long Gone = -2;

    private readonly RedisKeyPattern _pattern = new(target.Keys!);
    private readonly HashSet<(int Database, UInt128 Key)> _there = [];
    private readonly HashSet<(int Database, UInt128 Key)> _overwritten = [];
    private readonly List<string> _different = [];
    private long _differing;

    /// <summary>Keys that are there with the same content and expiry.</summary>
    public int Same => _there.Count;

    /// <summary>Keys that are not there, and whose time is not over.</summary>
    public long Missing { get; private set; }

    /// <summary>Digest of the keys that are overwritten; null where none is.</summary>
    public string? Difference => _different.Count == 0 ? null : RestorePlan.DigestOf(_different);

    public bool IsWanted(int database, byte[] key) => (target.Database is null || target.Database == database) && _pattern.Matches(key);

    /// <summary>True for a key that needs nothing, because it is there as it was.</summary>
    public bool IsThere(StoredKey key) => _there.Contains((key.Database, ValueDigest.Of(key.Key)));

    /// <summary>True for a key that was seen with other content or expiry, and is overwritten; one that only appears later is not.</summary>
    public bool Overwrites(StoredKey key) => _overwritten.Contains((key.Database, ValueDigest.Of(key.Key)));

    /// <summary>True where no key would be overwritten but those that a plan's notes name.</summary>
    public bool AreWithin(IReadOnlyList<string> notes)
    {
        var named = notes.ToHashSet(StringComparer.Ordinal);
        return _different.All(name => named.Contains(Overwritten + name));
    }

    /// <summary>Looks at both and says what would be done, with a note for each key that is overwritten; changes nothing.</summary>
    /// <exception cref="EngineException">
    /// <c>redis-keys-missing</c>: none matches; <c>redis-keys-exist</c>: some are there with other content, and replacing was not chosen;
    /// <c>redis-keys-many</c>: more would be overwritten than a person looks through.
    /// </exception>
    public async Task<IReadOnlyList<string>> ReadAsync(RedisConnection server, CancellationToken cancellationToken)
    {
        var (wanted, over, now) = (0L, 0L, time.GetUtcNow().ToUnixTimeMilliseconds());
        var tellsMoments = (await RedisServerInfo.ReadAsync(server, cancellationToken)).Major >= 7;
        await foreach (var batch in snapshot.ReadAsync(IsWanted, null, cancellationToken))
        {
            var living = batch.Where(key => !key.IsOver(now)).ToList();
            wanted += batch.Count;
            over += batch.Count - living.Count;
            await CompareAsync(server, living, tellsMoments, cancellationToken);
            if (living.Find(key => key.IsTooLarge && !IsThere(key)) is { } large)
            {
                throw KeyRestorer.TooLarge(large);
            }
        }

        if (wanted == 0)
        {
            throw new EngineException("redis-keys-missing", ErrorKind.NotFound, $"no key of the restore point matches {target.Keys}", "name a key or a pattern, such as session:*");
        }

        Missing = wanted - over - Same - _differing;
        _different.Sort(StringComparer.Ordinal);
        if (_differing > 0 && !target.Replace)
        {
            throw new EngineException("redis-keys-exist", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"{_differing} keys are there with other content or another expiry: {string.Join(", ", _different.Take(NamesInFault))}{(_differing > NamesInFault ? " …" : "")}; nothing was changed"),
                "add replace=true to overwrite them, or name other keys");
        }

        if (_differing > MostOverwritten)
        {
            throw new EngineException("redis-keys-many", ErrorKind.Input,
                string.Create(CultureInfo.InvariantCulture, $"{_differing} keys would be overwritten, and no more than {MostOverwritten} are at once; nothing was changed"),
                "name fewer keys with a narrower pattern, or restore in place with redisdata:/path while the server is stopped");
        }

        var counts = string.Create(CultureInfo.InvariantCulture, $"{wanted} keys match {target.Keys}; {Missing} are missing on the server, {Same} are there with the same content and are left");
        IReadOnlyList<string> notes = over == 0 ? [counts] : [counts, string.Create(CultureInfo.InvariantCulture, $"{over} keys are left out, since their time is over")];
        return _differing == 0
            ? notes
            : [.. notes, string.Create(CultureInfo.InvariantCulture, $"{_differing} keys are overwritten, and what they hold now is lost:"), .. _different.Select(name => Overwritten + name)];
    }

    /// <summary>True where every key that is wanted, and whose time is not over, is there as it was. Ends with the first that is not.</summary>
    public async Task<bool> AreAllThereAsync(RedisConnection server, CancellationToken cancellationToken)
    {
        var tellsMoments = (await RedisServerInfo.ReadAsync(server, cancellationToken)).Major >= 7;
        await foreach (var batch in snapshot.ReadAsync(IsWanted, null, cancellationToken))
        {
            await CompareAsync(server, batch, tellsMoments, cancellationToken);
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            if (batch.Any(key => !IsThere(key) && !key.IsOver(now)))
            {
                return false;
            }
        }

        return true;
    }

    private async Task CompareAsync(RedisConnection server, IReadOnlyList<StoredKey> batch, bool tellsMoments, CancellationToken cancellationToken)
    {
        var expiry = tellsMoments ? "PEXPIRETIME" : "PTTL";
        foreach (var group in batch.GroupBy(key => key.Database))
        {
            await server.RequireAsync(["SELECT", group.Key.ToString(CultureInfo.InvariantCulture)], cancellationToken);
            foreach (var key in group)
            {
                server.BeginCommand(2);
                server.WriteArgument("DUMP"u8);
                server.WriteArgument(key.Key);
                server.BeginCommand(2);
                server.WriteArgument(Encoding.ASCII.GetBytes(expiry));
                server.WriteArgument(key.Key);
            }

            await server.SendAsync(cancellationToken);
            (string Error, string Command)? refused = null;
            foreach (var key in group)
            {
                var value = await server.ReadAsync(cancellationToken);
                var expires = await server.ReadAsync(cancellationToken);
                refused ??= value.IsError ? (value.Text, "DUMP") : expires.IsError ? (expires.Text, expiry) : null;
                if (value.Kind != RespKind.Text || expires.IsError || expires.Integer == Gone)
                {
                    continue;
                }

                var at = tellsMoments || expires.Integer < 0 ? expires.Integer : time.GetUtcNow().ToUnixTimeMilliseconds() + expires.Integer;
                if (RdbValue.DigestOf(value.Bytes) == key.ValueDigest && HasExpiry(key, at))
                {
                    _there.Add((key.Database, ValueDigest.Of(key.Key)));
                }
                else if (++_differing <= MostOverwritten)
                {
                    _overwritten.Add((key.Database, ValueDigest.Of(key.Key)));
                    _different.Add(KeyText.Exactly(key));
                }
            }

            if (refused is { } no)
            {
                throw RedisFault.Of(no.Error, server.Endpoint, no.Command);
            }
        }
    }

    /// <summary>True where a living key ends when the stored one does, or neither ever does.</summary>
    private static bool HasExpiry(StoredKey key, long at) => key.ExpiresAtMs is { } wanted ? at >= 0 && Math.Abs(at - wanted) <= SameExpiryMs : at < 0;
}
