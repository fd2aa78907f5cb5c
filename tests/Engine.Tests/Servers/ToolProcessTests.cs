using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Servers;

public sealed class ToolProcessTests : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public async Task RunAsync_output_errors_and_exit_code_come_back()
    {
        List<string> lines = [];

        var result = await ToolProcess.RunAsync(
            Shell("echo out; echo first >&2; echo second >&2; exit 3") with { OnErrorLine = lines.Add }, _folder.Registry, Cancel);

        Assert.Equal(new ToolResult(3, "out\n", "first\nsecond"), result);
        Assert.Equal(["first", "second"], lines);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task Start_input_written_output_streams_back_more_than_a_pipe_holds()
    {
        await using var tool = ToolProcess.Start(new ToolCommand("cat", []) { ReadsInput = true }, _folder.Registry);
        var bytes = new byte[1 << 20];
        Random.Shared.NextBytes(bytes);

        var writing = WriteAsync();
        using var copy = new MemoryStream();
        await tool.StandardOutput.CopyToAsync(copy, Cancel);
        await writing;

        Assert.Equal(0, await tool.WaitAsync(Cancel));
        Assert.Equal(bytes, copy.ToArray());

        async Task WriteAsync()
        {
            await tool.StandardInput.WriteAsync(bytes, Cancel);
            tool.StandardInput.Close();
        }
    }

    [Fact]
    public async Task WaitAsync_cancelled_tool_and_what_it_started_are_gone_before_it_throws()
    {
        using var cancellation = new CancellationTokenSource();
        await using var tool = ToolProcess.Start(Shell("sleep 600 & echo $!; wait"), _folder.Registry);
        using var reader = new StreamReader(tool.StandardOutput);
        var grandchild = ProcessIdentity.Read(int.Parse(await reader.ReadLineAsync(Cancel) ?? "", null))!.Value;
        var child = ProcessIdentity.Read(tool.Pid)!.Value;

        var waiting = tool.WaitAsync(cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.False(child.IsAlive());
        Assert.True(await ProcessEnding.WaitGoneAsync(grandchild, TimeSpan.FromSeconds(10), TimeProvider.System, Cancel));
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task RunAsync_secrets_in_the_consoles_environment_do_not_reach_the_child()
    {
        Environment.SetEnvironmentVariable("DRCONSOLE_TEST_SECRET", "must-not-leak");

        var result = await ToolProcess.RunAsync(
            new ToolCommand("env", []) { Environment = new Dictionary<string, string> { ["PGPASSFILE"] = "/some/file" } },
            _folder.Registry, Cancel);

        Assert.DoesNotContain("must-not-leak", result.Output, StringComparison.Ordinal);
        Assert.Contains("PGPASSFILE=/some/file", result.Output, StringComparison.Ordinal);
        Assert.Contains("PATH=", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_missing_program_says_so()
    {
        var exception = await Assert.ThrowsAsync<EngineException>(
            () => ToolProcess.RunAsync(new ToolCommand("no-such-tool", []), _folder.Registry, Cancel));

        Assert.Equal("tool-missing", exception.Code);
        Assert.Contains("no-such-tool", exception.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task RunAsync_long_errors_keep_their_end()
    {
        var result = await ToolProcess.RunAsync(Shell("seq 1 100000 >&2"), _folder.Registry, Cancel);

        Assert.EndsWith("99999\n100000", result.ErrorTail, StringComparison.Ordinal);
        Assert.InRange(result.ErrorTail.Length, 1, 8 * 1024);
    }

    private static ToolCommand Shell(string script) => new("/bin/sh", ["-c", script]);
}
