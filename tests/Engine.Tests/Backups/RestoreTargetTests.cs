using Hexabase.DrConsole.Engine.Backups;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

public sealed class RestoreTargetTests
{
    [Fact]
    public void Parse_postgres_url_reads_every_part_and_writes_it_back()
    {
        var target = Assert.IsType<PostgresTarget>(RestoreTarget.Parse(
            "postgres://admin%40x@[::1]:5433/new%20db?passwordFile=keys/p.pw&noOwner=true&createRoles&sslMode=require", "/srv"));

        Assert.Equal(("::1", 5433, "new db", "admin@x", "/srv/keys/p.pw"), (target.Host, target.Port, target.Database, target.Username, target.PasswordFile));
        Assert.True(target is { NoOwner: true, NoPrivileges: false, CreateRoles: true, SslMode: "require" });
        Assert.Equal(target, RestoreTarget.Parse(target.ToText(), "/elsewhere"));
    }

    [Fact]
    public void Parse_socket_folder_and_default_port()
    {
        var target = Assert.IsType<PostgresTarget>(RestoreTarget.Parse("postgres://postgres@localhost/copy?host=/run/postgresql", "/"));

        Assert.Equal(("/run/postgresql", 5432), (target.Host, target.Port));
        Assert.Equal(target, RestoreTarget.Parse(target.ToText(), "/"));
    }

    [Fact]
    public void Parse_directory_is_resolved_against_the_base_folder() =>
        Assert.Equal(new DirectoryTarget("/srv/out/here"), RestoreTarget.Parse("dir:out/here", "/srv"));

    [Fact]
    public void Parse_several_mistakes_are_named_at_once()
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse("postgres://localhost:5432/?noOwner=perhaps&speed=high&sslMode=never", "/"));

        Assert.Equal(("restore-target-invalid", ErrorKind.Input), (fault.Code, fault.Kind));
        Assert.All(["user is missing", "name is missing", "noOwner is perhaps", "option speed", "sslMode never"],
            mistake => Assert.Contains(mistake, fault.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Parse_password_in_the_url_is_refused_and_not_repeated()
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse("postgres://u:geheim@localhost/db", "/"));
        Assert.DoesNotContain("geheim", fault.ToText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://localhost", "redis://localhost:6379")]
    [InlineData("redis://ops@[::1]:1?passwordFile=p&tls=true&caFile=/ca.pem", "redis://ops@[::1]:1?caFile=/ca.pem&passwordFile=/base/p&tls=true")]
    [InlineData("redis://h:1?keys=session:*&db=3&replace=true", "redis://h:1?db=3&keys=session:%2A&replace=true")]
    [InlineData("redisdata:dir%20a", "redisdata:/base/dir%20a")]
    [InlineData("redisdata:/d?dump=cache.rdb&appendDir=aof", "redisdata:/d?appendDir=aof&dump=cache.rdb")]
    public void Parse_redis_and_print_it_the_same_way(string text, string canonical)
    {
        var target = RestoreTarget.Parse(text, "/base");
        Assert.Equal(canonical, target.ToText());
        Assert.Equal(target, RestoreTarget.Parse(target.ToText(), "/elsewhere"));
    }

    [Theory]
    [InlineData("redis://:geheim@localhost:1", "password")]
    [InlineData("redis://localhost:1/3", "a database is named with db=")]
    [InlineData("redis://localhost:1?db=x&keys=a", "db x")]
    [InlineData("redis://localhost:1?replace=true", "replace go with keys")]
    [InlineData("redisdata:/d?dump=../x", "dump ../x")]
    public void Parse_redis_mistakes_are_named(string text, string mistake)
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse(text, "/base"));
        Assert.Equal("restore-target-invalid", fault.Code);
        Assert.Contains(mistake, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", fault.ToText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pgdata:/new/dir", "pgdata:/new/dir")]
    [InlineData("pgdata:dir%20a?port=5433", "pgdata:/base/dir%20a?port=5433")]
    [InlineData("pgdata:/d?time=2026-11-24T14:32:10Z&port=5", "pgdata:/d?port=5&time=2026-11-24T14:32:10.0000000Z")]
    [InlineData("pgdata:/d?time=2026-11-24T15:32:10%2B01:00", "pgdata:/d?time=2026-11-24T14:32:10.0000000Z")]
    [InlineData("pgdata:/d?lsn=0/16b3748", "pgdata:/d?lsn=0/16B3748")]
    [InlineData("pgdata:/d?name=before%20upgrade", "pgdata:/d?name=before%20upgrade")]
    [InlineData("pgdata:/d?end=true", "pgdata:/d?end=true")]
    [InlineData("pgdata:/d?inPlace=Delta&end=true", "pgdata:/d?end=true&inPlace=delta")]
    [InlineData("pgdata:/d?timeline=12&end=true", "pgdata:/d?end=true&timeline=12")]
    public void Parse_data_directory_and_print_it_the_same_way(string text, string canonical)
    {
        var target = Assert.IsType<PgDataTarget>(RestoreTarget.Parse(text, "/base"));
        Assert.Equal(canonical, target.ToText());
        Assert.Equal(target, RestoreTarget.Parse(target.ToText(), "/elsewhere"));
    }

    [Fact]
    public void Parse_of_a_wrong_data_directory_names_every_mistake()
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse("pgdata:?port=x&time=noon&lsn=zero&speed=9&inPlace=1", "/"));
        Assert.All(["path is missing", "inPlace is '1'", "port x", "time noon", "lsn zero", "option speed"], mistake => Assert.Contains(mistake, fault.Message, StringComparison.Ordinal));
        Assert.Contains("timeline 0 is none", Assert.Throws<EngineException>(() => RestoreTarget.Parse("pgdata:/d?end=true&timeline=0", "/")).Message, StringComparison.Ordinal);
        Assert.Contains("without time, lsn", Assert.Throws<EngineException>(() => RestoreTarget.Parse("pgdata:/d?timeline=2", "/")).Message, StringComparison.Ordinal);
        Assert.Contains("only one of", Assert.Throws<EngineException>(() => RestoreTarget.Parse("pgdata:/d?end=true&lsn=0/1", "/")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/just/a/path")]
    [InlineData("mysql://u@h/d")]
    [InlineData("dir:")]
    public void Parse_what_is_no_target_is_invalid(string text) =>
        Assert.Equal("restore-target-invalid", Assert.Throws<EngineException>(() => RestoreTarget.Parse(text, "/")).Code);
}
