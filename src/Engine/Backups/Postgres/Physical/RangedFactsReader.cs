using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>What is known of the parent restore point's tables and of what changed since.</summary>
/// <param name="Parent">Their facts by parts; null where there are none.</param>
/// <param name="Changes">What may have changed since; null where nobody looked.</param>
/// <param name="Timeline">The timeline that the server is on.</param>
internal sealed record KnownTables(RangedFacts? Parent, RelationChanges? Changes, uint Timeline);

/// <summary>
/// Computes the facts of tables by parts, on several connections that see one snapshot. A part that did not change since the
/// parent restore point is not read: its rows and digest are the parent's.
/// </summary>
internal sealed class RangedFactsReader(IReadOnlyList<NpgsqlConnection> connections, int server)
{
    /// <summary>
    /// What identifies the rows as of this snapshot. A type that is not built in, or that prints names of other objects, may read otherwise
    /// without a page that changed: such a table is read whole each time, and so are tables of other access methods.
    /// </summary>
    private const string Identities = """
        SELECT c.oid::bigint, coalesce(nullif(c.reltablespace, 0), d.dattablespace)::bigint, d.oid::bigint, c.relfilenode::bigint, c.relnatts::int,
               coalesce(pg_relation_size(c.oid), 0)
          FROM pg_class c JOIN pg_database d ON d.datname = current_database() JOIN pg_am m ON m.oid = c.relam AND m.amname = 'heap'
         WHERE c.oid = ANY ($1::bigint[]::oid[]) AND c.relfilenode <> 0 AND c.relpersistence = 'p'
           AND NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND (t.oid >= 16384 OR t.typtype <> 'b' OR t.typname ~ '^_?(reg|aclitem)' OR a.attgenerated = 'v'))
        """;

    private readonly ConcurrentDictionary<(long Oid, uint Range), RangeDigest> _digests = new();

    /// <summary>How many parts were taken over from the parent.</summary>
    public int Known { get; private set; }

    /// <summary>How many parts were read.</summary>
    public int Read { get; private set; }

    /// <summary>Facts of those tables that can be told by parts; others are the caller's to read.</summary>
    public async Task<(IReadOnlyDictionary<long, TableFacts> Tables, IReadOnlyList<TableRanges> Ranges)> ReadAsync(
        IReadOnlyList<ContentFactsReader.ListedTable> tables, KnownTables known, CancellationToken cancellationToken)
    {
        var shapes = await ReadShapesAsync(tables, cancellationToken);
        var parents = UsableOf(known)?.Tables.ToDictionary(table => table.Oid) ?? [];
        var wanted = new ConcurrentQueue<(ContentFactsReader.ListedTable Table, DigestMethod Method, uint Range, uint Ranges)>();
        foreach (var (table, shape, ranges) in shapes)
        {
            var parent = parents.GetValueOrDefault(table.Oid) is { } before && before.IsLike(shape) ? before : null;
            for (var range = 0u; range < ranges; range++)
            {
                if (parent is not null && range < parent.Ranges.Count && known.Changes!.IsSame(shape.Relation, range))
                {
                    _digests[(table.Oid, range)] = parent.Ranges[(int)range];
                    Known++;
                }
                else
                {
                    wanted.Enqueue((table, shape.Method, range, ranges));
                    Read++;
                }
            }
        }

        await Task.WhenAll(connections.Select(async connection =>
        {
            while (wanted.TryDequeue(out var next))
            {
                _digests[(next.Table.Oid, next.Range)] = await DigestAsync(connection, next.Table, next.Method, next.Range, next.Ranges, cancellationToken);
            }
        }));
        return Collect(shapes);
    }

    private RangedFacts? UsableOf(KnownTables known) =>
        known is { Parent: { } parent, Changes.IsKnown: true } && parent.Database == connections[0].Database && parent.Timeline == known.Timeline
            && parent.ServerVersionNumber == server ? parent : null;

    private async Task<List<(ContentFactsReader.ListedTable Table, TableRanges Shape, uint Ranges)>> ReadShapesAsync(
        IReadOnlyList<ContentFactsReader.ListedTable> tables, CancellationToken ct)
    {
        const long RangeBytes = RelationChanges.RangeBlocks * (long)PageChecksum.PageBytes;
        var byOid = tables.ToDictionary(table => table.Oid);
        return await new ContentFactsReader(connections[0]).QueryAsync(
            Identities,
            row =>
            {
                var table = byOid[row.GetInt64(0)];
                var shape = new TableRanges(
                    table.Oid, (uint)row.GetInt64(1), (uint)row.GetInt64(2), (uint)row.GetInt64(3), row.GetInt32(4), table.Columns,
                    ContentFactsReader.MethodFor(table, server), []);
                return (table, shape, (uint)Math.Max(1, (row.GetInt64(5) + RangeBytes - 1) / RangeBytes));
            },
            ct, tables.Select(table => table.Oid).ToArray());
    }

    private static async Task<RangeDigest> DigestAsync(
        NpgsqlConnection connection, ContentFactsReader.ListedTable table, DigestMethod method, uint range, uint ranges, CancellationToken ct)
    {
        var text = ContentFactsQuery.Digest(table.Schema, table.Name, method);
        if (ranges > 1)
        {
            text += string.Create(CultureInfo.InvariantCulture,
                $" WHERE a.ctid >= '({range * RelationChanges.RangeBlocks},0)' AND a.ctid < '({(ulong)(range + 1) * RelationChanges.RangeBlocks},0)'");
        }

        await using var command = new NpgsqlCommand(text, connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new RangeDigest(reader.GetInt64(0), reader.GetString(1));
    }

    private (IReadOnlyDictionary<long, TableFacts> Tables, IReadOnlyList<TableRanges> Ranges) Collect(
        List<(ContentFactsReader.ListedTable Table, TableRanges Shape, uint Ranges)> shapes)
    {
        var (facts, ranged) = (new Dictionary<long, TableFacts>(), new List<TableRanges>());
        foreach (var (table, shape, count) in shapes)
        {
            var ranges = new RangeDigest[count];
            var (rows, sum) = (0L, BigInteger.Zero);
            for (var range = 0u; range < count; range++)
            {
                ranges[range] = _digests[(table.Oid, range)];
                rows += ranges[range].Rows;
                sum += BigInteger.Parse(ranges[range].Digest, CultureInfo.InvariantCulture);
            }

            facts[table.Oid] = new TableFacts(
                table.Schema, table.Name, rows, sum.ToString(CultureInfo.InvariantCulture), shape.Method, table.Columns, "permanent");
            ranged.Add(shape with { Ranges = ranges });
        }

        return (facts, ranged);
    }
}
