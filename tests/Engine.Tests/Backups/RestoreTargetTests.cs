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
    [InlineData("pgdata:/new/dir?port=5")]
    [InlineData("redis://localhost:1")]
    [InlineData("vcluster:a/b?kubeconfig=f")]
    public void Parse_other_kind_is_refused_by_name(string text)
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse(text, "/"));
        Assert.Equal("restore-target-unsupported", fault.Code);
        Assert.Contains(text[..text.IndexOf(':', StringComparison.Ordinal)], fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/just/a/path")]
    [InlineData("mysql://u@h/d")]
    [InlineData("dir:")]
    public void Parse_what_is_no_target_is_invalid(string text) =>
        Assert.Equal("restore-target-invalid", Assert.Throws<EngineException>(() => RestoreTarget.Parse(text, "/")).Code);
}
