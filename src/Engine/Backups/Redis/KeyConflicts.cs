using System.Globalization;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Compares the keys of a snapshot that are wanted with those of a living server. A key that is there with the same content
/// is no conflict and is left; one with other content is, and is only overwritten where that was chosen.
/// </summary>
/// <param name="time">Says which keys' time is over: they are left out, whatever is on the server.</param>
internal sealed class KeyConflicts(StoredSnapshot snapshot, RedisTarget target, TimeProvider time)
{
    /// <summary>More than that nobody has read before confirming them.</summary>
    internal const int MostOverwritten = 1000;

    private const int NamesInFault = 20;
    private const string Overwritten = "~ ";
    private readonly RedisKeyPattern _pattern = new(target.Keys!);
    private readonly HashSet<(int Database, UInt128 Key)> _there = [];
    private readonly HashSet<(int Database, UInt128 Key)> _overwritten = [];
    private readonly List<string> _different = [];
    private long _differing;

    /// <summary>Keys that are there with the same content.</summary>
    public int Same => _there.Count;

    /// <summary>Keys that are not there, and whose time is not over.</summary>
    public long Missing { get; private set; }

    /// <summary>Digest of the keys that are overwritten; null where none is.</summary>
    public string? Difference => _different.Count == 0 ? null : RestorePlan.DigestOf(_different);

    public bool IsWanted(int database, byte[] key) => (target.Database is null || target.Database == database) && _pattern.Matches(key);

    /// <summary>True for a key that needs nothing, because it is there as it was.</summary>
    public bool IsThere(StoredKey key) => _there.Contains((key.Database, ValueDigest.Of(key.Key)));

    /// <summary>True for a key that was seen with other content, and is overwritten; one that only appears later is not.</summary>
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
        await foreach (var batch in snapshot.ReadAsync(IsWanted, null, cancellationToken))
        {
            var living = batch.Where(key => !key.IsOver(now)).ToList();
            wanted += batch.Count;
            over += batch.Count - living.Count;
            await CompareAsync(server, living, cancellationToken);
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
                string.Create(CultureInfo.InvariantCulture, $"{_differing} keys are there with other content: {string.Join(", ", _different.Take(NamesInFault))}{(_differing > NamesInFault ? " …" : "")}; nothing was changed"),
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

    private async Task CompareAsync(RedisConnection server, IReadOnlyList<StoredKey> batch, CancellationToken cancellationToken)
    {
        foreach (var group in batch.GroupBy(key => key.Database))
        {
            await server.RequireAsync(["SELECT", group.Key.ToString(CultureInfo.InvariantCulture)], cancellationToken);
            foreach (var key in group)
            {
                server.BeginCommand(2);
                server.WriteArgument("DUMP"u8);
                server.WriteArgument(key.Key);
            }

            await server.SendAsync(cancellationToken);
            var refused = "";
            foreach (var key in group)
            {
                var value = await server.ReadAsync(cancellationToken);
                refused = value.IsError ? value.Text : refused;
                if (value.Kind != RespKind.Text)
                {
                    continue;
                }

                if (RdbValue.DigestOf(value.Bytes) == key.ValueDigest)
                {
                    _there.Add((key.Database, ValueDigest.Of(key.Key)));
                }
                else if (++_differing <= MostOverwritten)
                {
                    _overwritten.Add((key.Database, ValueDigest.Of(key.Key)));
                    _different.Add(string.Create(CultureInfo.InvariantCulture, $"db{key.Database}:{KeyText.Of(key.Key)}"));
                }
            }

            if (refused.Length > 0)
            {
                throw RedisFault.Of(refused, server.Endpoint, "DUMP");
            }
        }
    }
}
