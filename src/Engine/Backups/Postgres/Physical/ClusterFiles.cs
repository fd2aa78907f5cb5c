using System.Globalization;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>Which files of a data directory belong into a base backup, and what they are.</summary>
internal static partial class ClusterFiles
{
    /// <summary>What names the control file, below the data directory.</summary>
    public const string Control = "global/pg_control";

    /// <summary>A relation's file ends after 1 GiB, and another one begins.</summary>
    public const uint BlocksPerSegment = 131072;

    /// <summary>
    /// Left out as .gitignore patterns: WAL (stored by itself), what belongs to the running server, what a start makes anew,
    /// and the control file, which must be read last. The same as pg_basebackup leaves out, but for the control file, the links
    /// of tablespaces and pg_wal itself, which may be a link too: those would lead a restored server into the living one's files.
    /// </summary>
    public static readonly IReadOnlyList<string> LeftOut =
    [
        "/pg_wal", "/pg_replslot/*", "/pg_stat_tmp/*", "/pg_dynshmem/*", "/pg_notify/*", "/pg_serial/*", "/pg_snapshots/*",
        "/pg_subtrans/*", "/pg_tblspc/*", "/postmaster.pid", "/postmaster.opts", "/backup_label", "/backup_label.old",
        "/tablespace_map", "/tablespace_map.old", "/backup_manifest", "/current_logfiles", "/current_logfiles.tmp", "/" + Control,
        "/postgresql.auto.conf.tmp", "/standby.signal", "/recovery.signal", "pgsql_tmp*", "pg_internal.init*", "/base/*/t[0-9]*_[0-9]*", "/PG_*/*/t[0-9]*_[0-9]*",
    ];

    /// <summary>
    /// Directories that a server wants and that hold nothing which was backed up. Of the source each of them may be a link, so a
    /// restore makes them itself.
    /// </summary>
    public static readonly IReadOnlyList<string> MadeAnew =
        ["pg_wal", "pg_replslot", "pg_stat_tmp", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_tblspc"];

    /// <summary>True for a file of a relation's pages; then with the number of its first block.</summary>
    public static bool IsRelation(string path, out uint firstBlock)
    {
        firstBlock = 0;
        var match = RelationShape().Match(path);
        if (match.Success && match.Groups["segment"] is { Success: true, ValueSpan: var segment })
        {
            firstBlock = uint.Parse(segment, CultureInfo.InvariantCulture) * BlocksPerSegment;
        }

        return match.Success;
    }

    /// <summary>True for a file that holds a table's rows (or an index), of a database's own: then with what it is.</summary>
    public static bool IsRows(string path, out RelationId relation, out uint segment)
    {
        const uint DefaultTablespace = 1663;
        (relation, segment) = (default, 0);
        var match = RowsShape().Match(path);
        if (!match.Success)
        {
            return false;
        }

        var space = match.Groups["space"] is { Success: true, ValueSpan: var oid } ? Number(oid) : DefaultTablespace;
        relation = new RelationId(space, Number(match.Groups["database"].ValueSpan), Number(match.Groups["number"].ValueSpan));
        segment = match.Groups["segment"] is { Success: true, ValueSpan: var part } ? Number(part) : 0;
        return true;

        static uint Number(ReadOnlySpan<char> digits) => uint.Parse(digits, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^(base|pg_tblspc/(?<space>\d+)/PG_\d+_\d+)/(?<database>\d+)/(?<number>\d+)(\.(?<segment>\d+))?$")]
    private static partial Regex RowsShape();

    // base/16384/2619_fsm.1, global/1262, and below a tablespace PG_15_202209061/16384/2619.
    [GeneratedRegex(@"^(pg_tblspc/\d+/)?(base/\d+|global|PG_\d+_\d+/\d+|pg_tblspc/\d+/PG_\d+_\d+/\d+)/\d+(_(fsm|vm|init))?(\.(?<segment>\d+))?$")]
    private static partial Regex RelationShape();
}
