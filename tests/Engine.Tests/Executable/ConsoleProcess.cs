using System.Diagnostics;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>How a command ended.</summary>
internal sealed record CommandResult(int Code, string Output, string Error)
{
    public JsonElement Json => JsonElement.Parse(Output);

    /// <summary>One message and what to do about it, and no trace of the program's inside.</summary>
    public void AssertRefused(params string[] texts)
    {
        Assert.True(Code == 1, $"exit code {Code}\n{Error}");
        Assert.All(texts, text => Assert.Contains(text, Error, StringComparison.Ordinal));
        Assert.Contains("→", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", Error, StringComparison.Ordinal);
    }

    /// <summary>It asks for its plan to be confirmed, by exit code 2; the hash to confirm it with.</summary>
    public string AssertAsksForHash()
    {
        Assert.True(Code == 2, $"exit code {Code}\n{Output}\n{Error}");
        var hash = Regex.Match(Error, "--confirm ([0-9a-f]{64})");
        Assert.True(hash.Success, Error);
        return hash.Groups[1].Value;
    }

    public CommandResult AssertDone()
    {
        Assert.True(Code == 0, $"exit code {Code}\n{Output}\n{Error}");
        return this;
    }
}

/// <summary>The console's executable as a process of its own: what it says is read line by line, signals go to it alone.</summary>
internal sealed class ConsoleProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private const UnixSignal Stop = (UnixSignal)19;
    private const UnixSignal Continue = (UnixSignal)18;
    private readonly ProcessIdentity _identity;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource _said = new();

    private ConsoleProcess(Process process)
    {
        _process = process;
        _identity = ProcessIdentity.Read(process.Id) ?? new ProcessIdentity(process.Id, 0, "");
        process.OutputDataReceived += (_, line) => Add(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Add(_error, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Names the published executable, as <c>./test</c> does: it is compiled ahead of time, which the hundreds of starts of these tests gain by.</summary>
    private const string Published = "CONSOLE_UNDER_TEST";

    /// <summary>The executable: the published one where it is named, else the one that the build made.</summary>
    public static string Executable { get; } = Path.GetFullPath(Environment.GetEnvironmentVariable(Published) is { Length: > 0 } published
        ? published
        : typeof(ConsoleProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "ConsoleExecutable").Value!);

    public ProcessIdentity Identity => _identity;

    /// <summary>Everything it has said so far, on both outputs.</summary>
    public string Said
    {
        get
        {
            lock (_gate)
            {
                return _output.ToString() + _error;
            }
        }
    }

    /// <summary>Starts it; a prefix is a command in front of it, such as <c>unshare</c>.</summary>
    public static ConsoleProcess Start(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null, params string[] prefix)
    {
        List<string> line = [.. prefix, Executable, .. arguments];
        var info = new ProcessStartInfo(line[0], line[1..]) { WorkingDirectory = "/", RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            info.Environment[name] = value;
        }

        return new ConsoleProcess(Process.Start(info)!);
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<CommandResult> RunAsync(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null, params string[] prefix)
    {
        await using var process = Start(arguments, environment, prefix);
        return await process.EndAsync();
    }

    /// <summary>Runs a command with a configuration file to its end.</summary>
    public static Task<CommandResult> RunAsync(string configuration, params string[] arguments) => RunAsync([.. arguments, "--config", configuration]);

    /// <summary>The console itself with a configuration file, once it says that it listens.</summary>
    public static async Task<ConsoleProcess> ServeAsync(string configuration, IReadOnlyDictionary<string, string>? environment = null, params string[] more)
    {
        var console = Start(["serve", "--config", configuration, "--urls", "http://127.0.0.1:0", .. more], environment);
        await console.WaitForAsync("Console: http");
        return console;
    }

    /// <summary>Waits until it has said a text; fails where it ends without.</summary>
    public async Task WaitForAsync(string text)
    {
        while (true)
        {
            Task next;
            lock (_gate)
            {
                if ((_output.ToString() + _error).Contains(text, StringComparison.Ordinal))
                {
                    return;
                }

                next = _said.Task;
            }

            Assert.False(_process.HasExited && next == _said.Task && !Said.Contains(text, StringComparison.Ordinal), $"it ended without '{text}':\n{Said}");
            await Task.WhenAny(next, Task.Delay(200, TestContext.Current.CancellationToken)).WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
    }

    public void Signal(UnixSignal signal) => LibC.Signal(_identity, signal);

    /// <summary>Freezes it. The signal goes to one of its threads, which stops the others when it is next given a processor: until then they run on.</summary>
    public async Task FreezeAsync()
    {
        Signal(Stop);
        while (Directory.EnumerateDirectories($"/proc/{_identity.Pid}/task").Any(thread => StateOf(thread) is not ('T' or null)))
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        static char? StateOf(string thread)
        {
            try
            {
                var stat = File.ReadAllText(Path.Combine(thread, "stat"));
                return stat[stat.LastIndexOf(')') + 2];
            }
            catch (IOException)
            {
                // A thread that has ended meanwhile.
                return null;
            }
        }
    }

    public void Thaw() => Signal(Continue);

    /// <summary>Waits for the end.</summary>
    public async Task<CommandResult> EndAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        lock (_gate)
        {
            return new CommandResult(_process.ExitCode, _output.ToString(), _error.ToString());
        }
    }

    /// <summary>kill -9, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        Signal(UnixSignal.Kill);
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Stops it in order.</summary>
    public async Task<CommandResult> StopAsync()
    {
        Signal(UnixSignal.Terminate);
        return await EndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    private void Add(StringBuilder text, string? line)
    {
        if (line is not null)
        {
            lock (_gate)
            {
                text.Append(line).Append('\n');
                var said = _said;
                _said = new TaskCompletionSource();
                said.TrySetResult();
            }
        }
    }
}
