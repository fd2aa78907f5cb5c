namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The SQL that names every object of a database by kind, so that a restore can be compared name by name.</summary>
internal static class StructureQuery
{
    public const string ForeignKeyKind = "foreign key";
    private const string GrantKind = "grant";
    private const string OwnerKind = "owner";
    private const string DefaultPrivilegeKind = "default privilege";

    /// <summary>True for kinds that a restore without owners and privileges leaves out.</summary>
    public static bool IsAboutRoles(string kind) => kind is GrantKind or OwnerKind or DefaultPrivilegeKind;

    /// <summary>
    /// A condition that is true for a schema whose objects are the user's. Temporary and TOAST schemas and the catalogs
    /// are not dumped.
    /// </summary>
    public const string UserSchema = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

    /// <summary>A condition that is true for what no extension owns: those objects come with CREATE EXTENSION.</summary>
    public static string NotOfExtension(string catalog, string oid) => NotDependent(catalog, oid, "'e'");

    // A range type's constructors come with the type and belong to whoever restored it.
    private static string NotMadeByServer(string catalog, string oid) => NotDependent(catalog, oid, "'e', 'i'");

    private static string NotDependent(string catalog, string oid, string kinds) =>
        $"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_catalog.{catalog}'::regclass AND d.objid = {oid} AND d.deptype IN ({kinds}))";

    /// <summary>
    /// Rows of (kind, name). Definitions are not compared, only existence and identity: the server writes some of them
    /// differently after a round trip (a CHECK with IN), which would be a false alarm. An owner's own rights are not listed. Indexes that are not valid are left
    /// out, as pg_dump leaves them out; so are NOT NULL constraints, which became named objects only in PostgreSQL 18.
    /// </summary>
    public static readonly string Text = $"""
        SELECT 'schema' AS kind, n.nspname::text AS name FROM pg_namespace n WHERE {UserSchema} AND {NotOfExtension("pg_namespace", "n.oid")}
        UNION ALL
        SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                 WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'composite type' END,
               n.nspname || '.' || c.relname || CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN ' (not populated)' ELSE '' END
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't' AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT 'index', n.nspname || '.' || c.relname
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisvalid AND c.relpersistence <> 't' AND {UserSchema} AND {NotOfExtension("pg_class", "i.indrelid")}
        UNION ALL
        SELECT 'partition', n.nspname || '.' || c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') AND {UserSchema}
        UNION ALL
        SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, p.oid::regprocedure::text
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {UserSchema} AND {NotMadeByServer("pg_proc", "p.oid")}
        UNION ALL
        SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range type' END,
               t.oid::regtype::text || coalesce(' ' || (SELECT string_agg(quote_literal(e.enumlabel), ' ' ORDER BY e.enumsortorder)
                                                         FROM pg_enum e WHERE e.enumtypid = t.oid), '')
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE t.typtype IN ('e', 'd', 'r') AND {UserSchema} AND {NotOfExtension("pg_type", "t.oid")}
        UNION ALL
        SELECT CASE k.contype WHEN 'f' THEN '{ForeignKeyKind}' WHEN 'c' THEN 'check' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                 WHEN 'x' THEN 'exclusion' ELSE 'constraint trigger' END,
               n.nspname || '.' || coalesce(c.relname, t.typname) || '.' || k.conname || CASE WHEN k.convalidated THEN '' ELSE ' (not valid)' END
          FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
          LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid AND k.conrelid = 0
         WHERE k.contype <> 'n' AND {UserSchema} AND {NotOfExtension("pg_class", "k.conrelid")} AND {NotOfExtension("pg_type", "k.contypid")}
        UNION ALL
        SELECT 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' (' || t.tgenabled::text || ')' END
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT 'event trigger', e.evtname FROM pg_event_trigger e WHERE {NotOfExtension("pg_event_trigger", "e.oid")}
        UNION ALL
        SELECT 'rule', n.nspname || '.' || c.relname || '.' || r.rulename
          FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.rulename <> '_RETURN' AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT 'policy', n.nspname || '.' || c.relname || '.' || p.polname
          FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {UserSchema}
        UNION ALL
        SELECT 'row security', n.nspname || '.' || c.relname || CASE WHEN c.relforcerowsecurity THEN ' forced' ELSE '' END
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relrowsecurity AND {UserSchema}
        UNION ALL
        SELECT 'statistics', n.nspname || '.' || s.stxname FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {UserSchema}
        UNION ALL
        SELECT 'collation', n.nspname || '.' || l.collname FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE {UserSchema}
        UNION ALL
        SELECT 'operator', o.oid::regoperator::text
          FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {UserSchema} AND {NotOfExtension("pg_operator", "o.oid")}
        UNION ALL
        SELECT 'publication', p.pubname FROM pg_publication p
        UNION ALL
        SELECT 'comment', (pg_identify_object(d.classoid, d.objoid, d.objsubid)).type || ' '
                 || (pg_identify_object(d.classoid, d.objoid, d.objsubid)).identity || ' ' || left(md5(d.description), 8)
          FROM pg_description d WHERE d.objoid >= 16384 AND NOT EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
             AND d.classoid <> 'pg_extension'::regclass
        UNION ALL
        SELECT '{OwnerKind}', n.nspname || '.' || c.relname || ' ' || pg_get_userbyid(c.relowner)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT '{OwnerKind}', p.oid::regprocedure::text || ' ' || pg_get_userbyid(p.proowner)
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {UserSchema} AND {NotMadeByServer("pg_proc", "p.oid")}
        UNION ALL
        SELECT '{GrantKind}', n.nspname || '.' || c.relname || ' ' || g.privilege_type || ' to ' || {Grantee} || CASE WHEN g.is_grantable THEN ' with grant' ELSE '' END
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) g
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND g.grantee <> c.relowner
           AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT '{GrantKind}', n.nspname || '.' || c.relname || '.' || a.attname || ' ' || g.privilege_type || ' to ' || {Grantee}
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(a.attacl) g
         WHERE NOT a.attisdropped AND {UserSchema} AND {NotOfExtension("pg_class", "c.oid")}
        UNION ALL
        SELECT '{GrantKind}', p.oid::regprocedure::text || ' ' || g.privilege_type || ' to ' || {Grantee}
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
         WHERE g.grantee <> p.proowner AND {UserSchema} AND {NotMadeByServer("pg_proc", "p.oid")}
        UNION ALL
        SELECT '{GrantKind}', n.nspname || ' ' || g.privilege_type || ' to ' || {Grantee}
          FROM pg_namespace n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) g
         WHERE g.grantee <> n.nspowner AND {UserSchema} AND {NotOfExtension("pg_namespace", "n.oid")}
        UNION ALL
        SELECT '{DefaultPrivilegeKind}', pg_get_userbyid(a.defaclrole) || ' ' || coalesce(n.nspname, '*') || ' ' || a.defaclobjtype::text || ' '
                 || g.privilege_type || ' to ' || {Grantee}
          FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace CROSS JOIN LATERAL aclexplode(a.defaclacl) g
        """;

    /// <summary>
    /// Roles that own or were granted something in this database, but those that every server has. The server keeps no
    /// dependencies on its first superuser, so that owners are read from the catalogs too.
    /// </summary>
    public const string RolesText = """
        SELECT DISTINCT r.rolname::text FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
         WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid IN ((SELECT oid FROM pg_database WHERE datname = current_database()), 0)
           AND (s.dbid <> 0 OR s.objid = (SELECT oid FROM pg_database WHERE datname = current_database()))
           AND r.rolname !~ '^pg_'
         UNION SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()
         UNION SELECT pg_get_userbyid(o.owner)::text FROM (
                 SELECT 'pg_class'::regclass AS class, oid, relowner AS owner FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                 UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace
                 UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
                 UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type WHERE typelem = 0 AND typrelid = 0
                 UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
                 UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
                 UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
                 UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
                 UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
                 UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
                 UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
                 UNION ALL SELECT 'pg_event_trigger'::regclass, oid, evtowner FROM pg_event_trigger
                 UNION ALL SELECT 'pg_publication'::regclass, oid, pubowner FROM pg_publication
                 UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner FROM pg_foreign_server
                 UNION ALL SELECT 'pg_default_acl'::regclass, oid, defaclrole FROM pg_default_acl
                 UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata) o
          WHERE o.oid >= 16384
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
         ORDER BY 1
        """;

    private const string Grantee = "CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END";
}
