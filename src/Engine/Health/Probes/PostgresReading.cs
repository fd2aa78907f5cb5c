using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What the probes of PostgreSQL read.</summary>
internal static class PostgresReading
{
    // Large tables have more to lose, so they are drawn more often. Partitions are tables of their own; temporary ones are nobody's.
    private const string DrawTable =
        """
        SELECT c.oid::regclass::text, greatest(pg_relation_size(c.oid) / current_setting('block_size')::int, 1)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relpages > 0 AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema'
          AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY (n.nspname = 'pg_catalog'), random() ^ (1.0 / c.relpages) DESC LIMIT 1
        """;

    /// <summary>Reads one block of one table, drawn at random: real work that touches stored bytes, and next to no load.</summary>
    public static async Task<ProbeFinding> ReadBlockAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var table = await new NpgsqlCommand(DrawTable, connection).FirstAsync(row => new { Name = row.GetString(0), Blocks = row.GetInt64(1) }, ct);
        if (table is null)
        {
            return new ProbeFinding(ProbeAnswer.Answered, "no table to read from; the server's catalog was read");
        }

        var block = Random.Shared.NextInt64(table.Blocks);
        var place = string.Create(CultureInfo.InvariantCulture, $"({block},1)");
        await new NpgsqlCommand($"SELECT count(*) FROM {table.Name} WHERE ctid = '{place}'::tid", connection).RunAsync(ct);
        return new ProbeFinding(ProbeAnswer.Answered, string.Create(CultureInfo.InvariantCulture, $"block {block} of {table.Name}"));
    }

    /// <summary>Failed checksums that the server has counted in all its databases.</summary>
    public static async Task<ProbeFinding> ChecksumFailuresAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var found = await new NpgsqlCommand(
            """
            SELECT current_setting('data_checksums'), coalesce(sum(checksum_failures), 0)::bigint, max(checksum_last_failure),
              string_agg(coalesce(datname, 'shared'), ', ' ORDER BY datname) FILTER (WHERE checksum_failures > 0) FROM pg_stat_database
            """, connection).FirstAsync(
            row => new { Mode = row.GetString(0), Failures = row.GetInt64(1), Last = row.TimeOrNull(2), Databases = row.TextOrNull(3) }, ct);
        if (found!.Mode != "on")
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "data checksums are off on this server; pg_checksums --enable turns them on while it is stopped");
        }

        var detail = found.Failures == 0 ? "no checksum has failed"
            : string.Create(CultureInfo.InvariantCulture, $"{found.Failures} failed checksums in {found.Databases}, the last at {found.Last?.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
        return new ProbeFinding(ProbeAnswer.Answered, detail, null, found.Failures) { IsFailureCount = true, LastFailure = found.Last };
    }
}

/// <summary>Checks one B-tree index after the other with <c>bt_index_check</c>, which locks no more than a reader does.</summary>
internal sealed class IndexTurns
{
    /// <summary>The highest number of an object that the server brought itself: the turns begin behind it, with what is the users'.</summary>
    private long _last = 16383;

    public async Task<ProbeFinding> CheckNextAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var schema = await new NpgsqlCommand(
            "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'", connection)
            .FirstAsync(row => row.GetString(0), ct);
        if (schema is null)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "the extension amcheck is not installed in this database");
        }

        var index = await NextAsync(connection, ct);
        if (index is null)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "there is no B-tree index to check");
        }

        _last = index.Oid;
        await new NpgsqlCommand($"SELECT {schema}.bt_index_check({index.Oid}::oid::regclass)", connection).RunAsync(ct);
        return new ProbeFinding(ProbeAnswer.Answered, $"index {index.Name} is well");
    }

    private async Task<IndexName?> NextAsync(NpgsqlConnection connection, CancellationToken ct) =>
        await new NpgsqlCommand(
            """
            SELECT c.oid::bigint, c.oid::regclass::text FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam
            WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND i.indisready AND c.relpersistence = 'p'
            ORDER BY (c.oid::bigint <= $1), c.oid LIMIT 1
            """, connection).With(_last).FirstAsync(row => new IndexName(row.GetInt64(0), row.GetString(1)), ct);

    private sealed record IndexName(long Oid, string Name);
}
