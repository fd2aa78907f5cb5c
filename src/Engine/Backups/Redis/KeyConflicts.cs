using System.Globalization;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Compares the keys of a snapshot that are wanted with those of a living server. A key that is there with the same content
/// is no conflict and is left; one with other content is, and is only overwritten where that was chosen.
/// </summary>
internal sealed class KeyConflicts(StoredSnapshot snapshot, RedisTarget target)
{
    private readonly RedisKeyPattern _pattern = new(target.Keys!);
    private readonly HashSet<(int Database, UInt128 Key)> _there = [];
    private readonly List<string> _different = [];

    /// <summary>Keys that are there with the same content.</summary>
    public int Same => _there.Count;

    public bool IsWanted(int database, byte[] key) => (target.Database is null || target.Database == database) && _pattern.Matches(key);

    /// <summary>True for a key that needs nothing, because it is there as it was.</summary>
    public bool IsThere(StoredKey key) => _there.Contains((key.Database, ValueDigest.Of(key.Key)));

    /// <summary>True where no key would be overwritten but those that a plan's notes name.</summary>
    public bool AreWithin(IReadOnlyList<string> notes) => _different.All(name => notes.Any(note =>
        $"{note}, ".Contains($": {name}, ", StringComparison.Ordinal) || $"{note}, ".Contains($", {name}, ", StringComparison.Ordinal)));

    /// <summary>Looks at both and says what would be done; changes nothing.</summary>
    /// <param name="isResumed">True while executing: that nothing is left to do is no fault then.</param>
    /// <exception cref="EngineException"><c>redis-keys-missing</c>: none matches; <c>redis-keys-exist</c>: some are there with other content, and replacing was not chosen.</exception>
    public async Task<IReadOnlyList<string>> NotesAsync(RedisConnection server, int names, CancellationToken cancellationToken, bool isResumed = false)
    {
        long wanted = 0;
        await foreach (var batch in snapshot.ReadAsync(IsWanted, null, cancellationToken))
        {
            wanted += batch.Count;
            await CompareAsync(server, batch, cancellationToken);
        }

        if (wanted == 0)
        {
            throw new EngineException("redis-keys-missing", ErrorKind.NotFound, $"no key of the restore point matches {target.Keys}", "name a key or a pattern, such as session:*");
        }

        _different.Sort(StringComparer.Ordinal);
        if (_different.Count > 0 && !target.Replace)
        {
            throw new EngineException("redis-keys-exist", ErrorKind.Conflict,
                string.Create(CultureInfo.InvariantCulture, $"{_different.Count} keys are there with other content: {string.Join(", ", _different.Take(names))}{(_different.Count > names ? " …" : "")}; nothing was changed"),
                "add replace=true to overwrite them, or name other keys");
        }

        var notes = new List<string> { string.Create(CultureInfo.InvariantCulture, $"{wanted} keys match {target.Keys}; {wanted - Same - _different.Count} are missing on the server, {Same} are there with the same content and are left") };
        if (_different.Count > 0)
        {
            notes.Add(Different());
        }

        return isResumed ? [] : notes;
    }

    /// <summary>All names, so that the plan's hash covers each key that is overwritten.</summary>
    private string Different() => string.Create(CultureInfo.InvariantCulture, $"{_different.Count} keys are overwritten, and what they hold now is lost: {string.Join(", ", _different)}");

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
                else
                {
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
