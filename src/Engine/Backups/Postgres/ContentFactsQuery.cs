using System.Globalization;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The SQL of the content facts, apart from the structure's.</summary>
internal static class ContentFactsQuery
{
    /// <summary>The oldest server whose hashes and catalogs the queries know.</summary>
    public const int OldestServer = 120000;

    // hash_record_extended came with PostgreSQL 14.
    private const int FirstWithRecordHash = 140000;

    /// <summary>
    /// Settings that decide how values are written as text. The snapshot's session and the restored database's session use
    /// the same, or equal values would give different digests. An empty search path makes every name qualified, and
    /// row_security = off makes a policy an error instead of silently hiding rows.
    /// </summary>
    public static readonly IReadOnlyList<(string Name, string Value)> PinnedSettings =
    [
        ("TimeZone", "UTC"), ("DateStyle", "ISO, YMD"), ("IntervalStyle", "postgres"), ("extra_float_digits", "3"),
        ("bytea_output", "hex"), ("lc_monetary", "C"), ("xmloption", "content"), ("search_path", ""), ("row_security", "off"),
        ("standard_conforming_strings", "on"), ("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0"),
        ("synchronize_seqscans", "off"), ("quote_all_identifiers", "off"),
    ];

    /// <summary>
    /// Tables with rows of their own: ordinary tables and leaf partitions, those of extensions left out. The last column
    /// tells whether the record hash is exact and portable for all columns (see <see cref="DigestMethod.Record"/>).
    /// </summary>
    public static readonly string Tables = $"""
        SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relpersistence::text, coalesce(t.spcname::text, ''),
               coalesce(left(encode(sha256(convert_to(string_agg(
                 concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity),
                 E'\n' ORDER BY a.attnum), 'UTF8')), 'hex'), 16), 'none'),
               coalesce(bool_and(a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'text'::regtype,
                 'varchar'::regtype, 'uuid'::regtype, 'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'bytea'::regtype)
                 AND coalesce(l.collisdeterministic, true)), true)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_collation l ON l.oid = a.attcollation
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {StructureQuery.UserSchema} AND {StructureQuery.NotOfExtension("pg_class", "c.oid")}
         GROUP BY c.oid, n.nspname, c.relname, c.relpersistence, t.spcname ORDER BY n.nspname, c.relname
        """;

    /// <summary>The chosen tables ($1 schemas, $2 names) with their partitions and heirs, as (position, oid or null).</summary>
    public const string ChosenTables = """
        WITH RECURSIVE wanted AS (
          SELECT w.position, c.oid FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, position)
            LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p'))
              ON n.nspname = w.schema AND c.relname = w.name),
        family AS (
          SELECT position, oid FROM wanted
          UNION SELECT f.position, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid)
        SELECT position, oid::bigint FROM family ORDER BY position
        """;

    /// <summary>Foreign keys of chosen tables ($1 their OIDs) that refer to rows which were not chosen.</summary>
    public const string DanglingForeignKeys = """
        SELECT n.nspname::text, c.relname::text, k.conname::text
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'f' AND k.conrelid = ANY ($1::bigint[]::oid[]) AND NOT k.confrelid = ANY ($1::bigint[]::oid[]) ORDER BY 1, 2, 3
        """;

    public static readonly string Sequences = $"""
        SELECT n.nspname::text, c.relname::text, s.seqincrement
          FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relpersistence <> 't' AND {StructureQuery.UserSchema} AND {StructureQuery.NotOfExtension("pg_class", "c.oid")} ORDER BY 1, 2
        """;

    /// <summary>
    /// Large objects are hashed by their content in slices of 16 MiB, not by their pages, which a restore lays out anew.
    /// A session may hold few open descriptors, so each is closed in the expression that opens it.
    /// </summary>
    public const string LargeObjects = """
        SELECT count(DISTINCT o.oid), coalesce(sum(CASE WHEN s.start = 0 THEN o.size END), 0)::bigint,
               coalesce(sum(hashtextextended(o.oid || ':' || s.start || ':' || encode(sha256(lo_get(o.oid, s.start, 16777216)), 'hex'), 0)::numeric), 0)::text
          FROM (SELECT m.oid, (SELECT lo_lseek64(f.fd, 0, 2) + 0 * lo_close(f.fd) FROM (SELECT lo_open(m.oid, 262144) AS fd OFFSET 0) f) AS size
                  FROM pg_largeobject_metadata m OFFSET 0) o
         CROSS JOIN LATERAL generate_series(0, greatest(o.size - 1, 0), 16777216) AS s(start)
        """;

    public const string Extensions = "SELECT extname::text, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";

    /// <summary>Settings of this database and of roles in it, as (role or null, name=value).</summary>
    public const string Settings = """
        SELECT r.rolname::text, unnest(s.setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
         WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1 NULLS FIRST, 2
        """;

    /// <summary>Rights on this database where they are not the default, the owner's own left out.</summary>
    public const string Grants = """
        SELECT r.rolname::text, g.privilege_type, g.is_grantable
          FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
         WHERE d.datname = current_database() AND g.grantee <> d.datdba ORDER BY 1 NULLS FIRST, 2
        """;

    public const string Tablespaces = """
        SELECT DISTINCT t.spcname::text FROM pg_tablespace t JOIN pg_class c ON c.reltablespace = t.oid WHERE t.spcname !~ '^pg_' ORDER BY 1
        """;

    /// <summary>The database itself; the names of locale columns changed with PostgreSQL 15 and 17.</summary>
    public static string Database(int server) => $"""
        SELECT current_database()::text, current_setting('server_version'), pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text,
               d.datcollate::text, d.datctype::text, {(server >= 150000 ? "d.datlocprovider::text" : "'c'")},
               {(server >= 170000 ? "d.datlocale" : server >= 150000 ? "d.daticulocale" : "NULL::text")},
               {(server >= 150000 ? "d.datcollversion" : "NULL::text")}, transaction_timestamp(), pg_database_size(d.oid)
          FROM pg_database d WHERE d.datname = current_database()
        """;

    public static bool HasRecordHash(int server) => server >= FirstWithRecordHash;

    /// <summary>Count and digest of one table. <c>a.*</c> is the whole row even where a column has the alias's name.</summary>
    public static string Digest(string schema, string name, DigestMethod method)
    {
        var hash = method == DigestMethod.Record ? "hash_record_extended(a.*, 0)" : "hashtextextended((a.*)::text, 0)";
        return $"SELECT count(*), coalesce(sum({hash}::numeric), 0)::text FROM ONLY {SqlName.Quote(schema, name)} AS a";
    }

    /// <summary>Position, value and state of several sequences in one statement.</summary>
    public static string SequenceValues(IReadOnlyList<(string Schema, string Name)> sequences) => string.Join(" UNION ALL ", sequences.Select(
        (sequence, position) => string.Create(CultureInfo.InvariantCulture,
            $"SELECT {position}, last_value, is_called FROM {SqlName.Quote(sequence.Schema, sequence.Name)}")));
}
