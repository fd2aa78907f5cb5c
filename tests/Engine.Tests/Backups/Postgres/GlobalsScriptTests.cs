using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

public sealed class GlobalsScriptTests
{
    private const string Dumped = """
        --
        -- PostgreSQL database cluster dump; with a 'quote' in a comment
        --

        \restrict lVZH5EdMCgjcA6N7bKMil1Ey5b9woe1a0HFvo7eiKYq6DlU3AY9ameo1k2soe2b

        SET client_encoding = 'UTF8';
        CREATE ROLE "App ""Reader""; DROP";
        ALTER ROLE "App ""Reader""; DROP" WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 7 PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' VALID UNTIL '2031-01-01 00:00:00+00';
        CREATE ROLE app_owner;
        ALTER ROLE app_owner WITH SUPERUSER INHERIT CREATEROLE CREATEDB NOLOGIN REPLICATION BYPASSRLS;
        CREATE ROLE later;
        ALTER ROLE later WITH NOSUPERUSER LOGIN;
        ALTER ROLE app_owner SET search_path TO 'a', 'b';
        COMMENT ON ROLE app_owner IS E'a back\\slash; and a '' quote';
        GRANT app_owner TO "App ""Reader""; DROP" WITH ADMIN OPTION GRANTED BY postgres;
        GRANT pg_read_server_files TO later WITH INHERIT TRUE GRANTED BY postgres;

        \unrestrict lVZH5EdMCgjcA6N7bKMil1Ey5b9woe1a0HFvo7eiKYq6DlU3AY9ameo1k2soe2b
        """;

    [Fact]
    public void Parse_pg_dumpall_output_gives_roles_and_memberships()
    {
        var script = GlobalsScript.Parse(Dumped);

        Assert.Equal(["App \"Reader\"; DROP", "app_owner", "later"], script.Roles.Keys.Order(StringComparer.Ordinal));
        var reader = script.Roles["App \"Reader\"; DROP"];
        Assert.Equal(7, reader.ConnectionLimit);
        Assert.Equal("2031-01-01 00:00:00+00", reader.ValidUntil);
        Assert.False(reader.IsPowerful);
        Assert.True(script.Roles["app_owner"].IsPowerful);
        Assert.Contains(new RoleMembership("app_owner", "App \"Reader\"; DROP", WithAdmin: true), script.Memberships);
    }

    [Fact]
    public void CreateStatements_for_a_server_leave_out_powers_and_memberships_in_existing_roles()
    {
        var statements = GlobalsScript.Parse(Dumped).CreateStatements(["app_owner", "App \"Reader\"; DROP", "later", "unknown"], forScratch: false);

        Assert.Equal(
        [
            "CREATE ROLE \"App \"\"Reader\"\"; DROP\" LOGIN PASSWORD 'SCRAM-SHA-256$4096:a==$b=:c=' NOINHERIT CONNECTION LIMIT 7 VALID UNTIL '2031-01-01 00:00:00+00'",
            "CREATE ROLE \"app_owner\" NOLOGIN",
            // It could sign in before, but its password is not in the dump.
            "CREATE ROLE \"later\" NOLOGIN",
            "CREATE ROLE \"unknown\" NOLOGIN",
            "GRANT \"app_owner\" TO \"App \"\"Reader\"\"; DROP\" WITH ADMIN OPTION",
        ], statements);
    }

    [Fact]
    public void CreateStatements_for_a_scratch_server_let_nobody_sign_in()
    {
        var statements = GlobalsScript.Parse(Dumped).CreateStatements(["app_owner", "App \"Reader\"; DROP"], forScratch: true);

        Assert.Contains("CREATE ROLE \"app_owner\" NOLOGIN SUPERUSER", statements);
        Assert.DoesNotContain(statements, statement => statement.Contains(" LOGIN", StringComparison.Ordinal) || statement.Contains("PASSWORD", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("CREATE ROLE a")]
    [InlineData("ALTER ROLE a WITH PASSWORD 'never ends;")]
    [InlineData("CREATE ROLE \"a;")]
    public void Parse_cut_text_is_damaged(string text)
    {
        var fault = Assert.Throws<EngineException>(() => GlobalsScript.Parse(text));
        Assert.Equal(("globals-damaged", ErrorKind.Damaged), (fault.Code, fault.Kind));
    }
}
