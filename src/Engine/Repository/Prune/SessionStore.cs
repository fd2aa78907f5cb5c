using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>What a running writer says of itself. No object is mutable, so each renewal is a new object and the one before is deleted.</summary>
/// <param name="Id">The object's id.</param>
/// <param name="Session">The session's id, the same in all its objects.</param>
/// <param name="Kind"><c>backup</c>, <c>copy</c>, <c>prune</c> or <c>repair</c>.</param>
/// <param name="Sequence">Counts the session's objects from 1; the highest counts.</param>
/// <param name="StartedAt">When the writer began.</param>
/// <param name="LifeSeconds">Until so long after the store took this object the writer counts as alive.</param>
/// <param name="HasEnded">True in the last object of a writer that may not delete.</param>
/// <param name="Marks">The marks of whose packs this writer uses none, and will use none.</param>
/// <param name="HostName">Where it runs, for people.</param>
/// <param name="ProcessId">Its process there.</param>
internal sealed record SessionRecord(
    string Id, string Session, string Kind, int Sequence, DateTimeOffset StartedAt, double LifeSeconds, bool HasEnded,
    IReadOnlyList<string> Marks, string HostName, int ProcessId)
{
    public const string Backup = "backup";
    public const string Copy = "copy";
    public const string Prune = "prune";
    public const string Repair = "repair";
}

/// <summary>A session's object as the store has it.</summary>
/// <param name="Key">Its key.</param>
/// <param name="WrittenAt">When the store took it, by the store's clock.</param>
/// <param name="Record">What it says; null where it cannot be read.</param>
internal sealed record StoredSession(string Key, DateTimeOffset WrittenAt, SessionRecord? Record);

/// <summary>Reads and writes the sessions of writers.</summary>
internal sealed class SessionStore(KeyRing keys, IObjectStore store)
{
    public const string Prefix = "sessions/";

    public static string KeyOf(SessionRecord record) => Prefix + record.Id;

    /// <summary>Stores a session's object and tells when the store took it.</summary>
    public async Task<DateTimeOffset> WriteAsync(SessionRecord record, CancellationToken ct)
    {
        await JsonObject.WriteAsync(store, keys, ObjectType.Session, Prefix, Guid.ParseExact(record.Id, "N"), record, RepositoryJson.Default.SessionRecord, ct);
        var written = await store.StatAsync(KeyOf(record), ct) ?? throw new EngineException(
            "session-vanished", ErrorKind.Unavailable, $"{KeyOf(record)} is not in {store.Url} right after it was written",
            "use a store that shows what was written at once");
        return written.LastModified;
    }

    /// <summary>All objects of all sessions, also those that are superseded.</summary>
    public async Task<IReadOnlyList<StoredSession>> ListAsync(CancellationToken ct)
    {
        var found = new List<StoredSession>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            try
            {
                found.Add(new StoredSession(item.Key, item.LastModified, await ReadAsync(item.Key, ct)));
            }
            catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
            {
                // Ended, or renewed: then a listing that began before the new object was there would show neither.
                return await ListAsync(ct);
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                found.Add(new StoredSession(item.Key, item.LastModified, null));
            }
        }

        return found;
    }

    public Task<SessionRecord> ReadAsync(string key, CancellationToken ct) =>
        JsonObject.ReadAsync(store, keys, ObjectType.Session, Prefix, key, RepositoryJson.Default.SessionRecord, ct);
}
