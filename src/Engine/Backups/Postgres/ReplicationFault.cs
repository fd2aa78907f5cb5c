using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>What a server's refusal means on a replication connection, where the same codes ask for other remedies.</summary>
internal static class ReplicationFault
{
    /// <summary>The fault as an <see cref="EngineException"/>: <c>replication-denied</c>, <c>slots-exhausted</c>, <c>wal-removed</c>, or as <see cref="PostgresFault"/> says.</summary>
    public static EngineException From(Exception exception, PostgresSource source) => exception is not PostgresException refusal ? PostgresFault.From(exception, source) : refusal.SqlState switch
    {
        PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InsufficientPrivilege => new EngineException(
            "replication-denied", ErrorKind.Denied, $"{source.Address}: user {source.Username} may not replicate: {refusal.MessageText}",
            $"ALTER ROLE {source.Username} REPLICATION, and a line 'host replication {source.Username} … scram-sha-256' in pg_hba.conf", refusal),
        PostgresErrorCodes.ConfigurationLimitExceeded => new EngineException(
            "slots-exhausted", ErrorKind.Conflict, $"{source.Address}: all replication slots or WAL senders are in use",
            "raise max_replication_slots and max_wal_senders, or drop slots that nobody uses", refusal),
        PostgresErrorCodes.UndefinedFile => new EngineException(
            "wal-removed", ErrorKind.Unavailable, $"{source.Address} removed WAL that is needed", "raise max_slot_wal_keep_size, and run it again", refusal) { IsTransient = true },
        _ => PostgresFault.From(refusal, source),
    };
}
