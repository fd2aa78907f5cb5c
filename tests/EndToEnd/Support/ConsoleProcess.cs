using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>The published <c>out/drconsole</c>, started as a person starts it. What it prints is kept for failures.</summary>
internal sealed class ConsoleProcess : IAsyncDisposable
{
    private const int Terminate = 15;
    private const int KillNow = 9;
    private static readonly TimeSpan s_startPatience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly TaskCompletionSource _announced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ConsoleProcess(Process process) => _process = process;

    /// <summary>What it printed so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>The published executable.</summary>
    /// <exception cref="InvalidOperationException">It was not published.</exception>
    public static string Executable
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "Hexabase.DrConsole.sln")))
                {
                    var path = Path.Combine(folder.FullName, "out", "drconsole");
                    return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is missing: run ./run --build first");
                }
            }

            throw new InvalidOperationException($"no folder above {AppContext.BaseDirectory} holds the solution");
        }
    }

    /// <summary>Starts <c>serve</c> and returns when it has announced its address.</summary>
    public static async Task<ConsoleProcess> ServeAsync(string configuration, string data, Uri address, CancellationToken cancellationToken)
    {
        // A session of its own: whatever it starts in its process group can be ended with it, and a Ctrl-C here does not reach it.
        var start = Describe("setsid", [Executable, "serve", "--config", configuration, "--data", data, "--urls", address.GetLeftPart(UriPartial.Authority)]);
        var console = new ConsoleProcess(Process.Start(start)!);
        console.Listen();
        try
        {
            await console._announced.Task.WaitAsync(s_startPatience, cancellationToken);
        }
        catch
        {
            await console.DisposeAsync();
            throw;
        }

        return console;
    }

    /// <summary>Runs another command beside the console and gives its standard output.</summary>
    /// <exception cref="InvalidOperationException">It failed; with everything that it printed.</exception>
    public static async Task<string> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using var process = Process.Start(Describe(Executable, arguments))!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"drconsole {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{await output}{await errors}");
    }

    /// <summary>Ends it as a crash would; what it had started stays alive.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        _ = Signal(_process.Id, KillNow);
        await _process.WaitForExitAsync(cancellationToken);
    }

    /// <summary>Asks it to stop, and waits; ends its whole process group where it does not.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync()
    {
        if (!_process.HasExited)
        {
            _ = Signal(_process.Id, Terminate);
        }

        try
        {
            await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(s_stopPatience);
        }
        catch (TimeoutException)
        {
            _ = Signal(-_process.Id, KillNow);
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Signal(int pid, int signal);

    private static ProcessStartInfo Describe(string program, IEnumerable<string> arguments) => new(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };

    private void Listen()
    {
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Hear(line.Data);
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => _announced.TrySetException(new InvalidOperationException($"the console ended while starting:\n{Output}"));
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    private void Hear(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.AppendLine(line);
        }

        if (line.StartsWith("Console: http", StringComparison.Ordinal))
        {
            _announced.TrySetResult();
        }
    }
}
