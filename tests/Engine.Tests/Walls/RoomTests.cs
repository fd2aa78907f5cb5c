using NetArchTest.Rules;

namespace Hexabase.DrConsole.Engine.Tests.Walls;

/// <summary>The rooms' arrows run one way (docs/architecture.md).</summary>
public sealed class RoomTests
{
    private const string Root = "Hexabase.DrConsole.Engine";

    [Theory]
    [InlineData("Storage", "Repository", "Backups", "Validation", "Runs", "Jobs", "Catalog", "Estate", "Servers")]
    [InlineData("Repository", "Backups", "Validation", "Runs", "Jobs", "Catalog", "Estate", "Servers")]
    [InlineData("Servers", "Storage", "Repository", "Backups", "Validation", "Runs", "Jobs", "Catalog", "Estate")]
    [InlineData("RedisProtocol", "Servers", "Storage", "Repository", "Backups", "Validation", "Runs", "Jobs", "Catalog", "Estate", "Health")]
    [InlineData("Backups.Redis", "Runs", "Jobs", "Catalog", "Validation")]
    [InlineData("Runs", "Storage", "Repository", "Backups", "Validation", "Jobs", "Estate")]
    [InlineData("Strategies", "Storage", "Repository", "Backups", "Validation", "Runs", "Jobs", "Servers", "Catalog")]
    [InlineData("Backups.Postgres", "Runs", "Jobs", "Catalog", "Validation")]
    [InlineData("Backups.VClusters", "Runs", "Jobs", "Catalog", "Validation")]
    [InlineData("Validation", "Jobs", "Recovery")]
    [InlineData("Recovery", "Jobs")]
    [InlineData("Backups", "Recovery")]
    [InlineData("Catalog", "Health", "Backups", "Validation", "Jobs")]
    [InlineData("Backups", "Health", "Jobs")]
    [InlineData("Health", "Jobs", "Validation", "Recovery")]
    [InlineData("Notifications.Outbox", "Runs", "Estate", "Audit", "Storage", "Repository", "Backups", "Validation", "Health", "Recovery", "Jobs", "Servers")]
    [InlineData("Notifications", "Storage", "Repository", "Backups", "Validation", "Health", "Recovery", "Jobs")]
    public void Room_does_not_look_up(string room, params string[] forbidden)
    {
        var result = Types.InAssembly(typeof(EngineException).Assembly)
            .That().ResideInNamespaceStartingWith($"{Root}.{room}")
            .ShouldNot().HaveDependencyOnAny([.. forbidden.Select(other => $"{Root}.{other}")])
            .GetResult();
        Assert.True(result.IsSuccessful, $"{room} must not use {string.Join(", ", forbidden)}; it does in {string.Join(", ", result.FailingTypeNames ?? [])}");
    }

    [Fact]
    public void Only_jobs_knows_Hangfire()
    {
        var result = Types.InAssembly(typeof(EngineException).Assembly)
            .That().DoNotResideInNamespaceStartingWith($"{Root}.Jobs")
            .ShouldNot().HaveDependencyOn("Hangfire").GetResult();
        Assert.True(result.IsSuccessful, string.Join(", ", result.FailingTypeNames ?? []));
    }

    [Fact]
    public void Engine_knows_no_web_framework()
    {
        var result = Types.InAssembly(typeof(EngineException).Assembly)
            .ShouldNot().HaveDependencyOnAny("Microsoft.AspNetCore", "MudBlazor", "Hexabase.DrConsole.Dashboard").GetResult();
        Assert.True(result.IsSuccessful, string.Join(", ", result.FailingTypeNames ?? []));
    }
}
