using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Redis;

namespace Hexabase.DrConsole.Engine.Tests.Lab;

/// <summary>The lab's Redis as a service that a recovery stops and starts.</summary>
[Collection("Redis servers")]
public sealed class LabRedisTests : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public async Task Service_that_others_started_is_stopped_with_the_lab_and_taken_over_by_the_next()
    {
        var lab = new LabFolder(_folder.Combine("lab"));
        await using var redis = new LabRedis(lab);
        await redis.StartAsync(Cancel);
        await redis.RunAsync(Cancel, "SET", "kept", "yes");

        Assert.Equal(0, await ControlAsync("stop"));
        Assert.NotEqual(0, await ControlAsync("status"));
        Assert.Equal(0, await ControlAsync("start"));
        Assert.Equal(0, await ControlAsync("status"));

        // As after a kill of the lab: it knows nothing of that process but its files.
        await using var next = new LabRedis(lab);
        await next.StartAsync(Cancel);
        Assert.Equal("yes", (await next.RunAsync(Cancel, "GET", "kept")).Text);
        Assert.Equal(0, await ControlAsync("stop"));
        Assert.Equal(0, await ControlAsync("start"));
        await next.StopAsync(Cancel);
        Assert.NotEqual(0, await ControlAsync("status"));

        async Task<int> ControlAsync(string what) =>
            (await ToolProcess.RunAsync(new ToolCommand("/bin/sh", [redis.ServiceFile, what]) { Purpose = "the test's Redis" }, lab.Registry, Cancel)).ExitCode;
    }
}
