using System.Diagnostics;
using System.Text;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>How a tool ended.</summary>
/// <param name="ExitCode">Its exit code; 128 plus the signal's number where a signal ended it.</param>
/// <param name="Output">Standard output as text, at most 1 MiB of it.</param>
/// <param name="ErrorTail">The last lines of standard error, at most 8 KiB.</param>
public sealed record ToolResult(int ExitCode, string Output, string ErrorTail);

/// <summary>
/// A running tool such as pg_dump: its output as a stream, its errors as lines and a tail, ended when it is disposed or
/// cancelled. It is in the registry from before its start to after its end.
/// </summary>
public sealed class ToolProcess : IAsyncDisposable
{
    private const int TailBytes = 8 * 1024;
    private const int OutputLimit = 1024 * 1024;

    private readonly ChildProcess _child;
    private readonly ProcessRecord _record;
    private readonly ProcessRegistry _registry;
    private readonly ErrorTail _errors = new(TailBytes);
    private readonly Task _errorPump;

    private ToolProcess(ChildProcess child, ProcessRecord record, ProcessRegistry registry, ToolCommand command)
    {
        _child = child;
        _record = record;
        _registry = registry;
        if (!command.ReadsInput)
        {
            child.Process.StandardInput.Close();
        }

        _errorPump = PumpErrorsAsync(child.Process.StandardError, command.OnErrorLine);
    }

    /// <summary>Process id.</summary>
    public int Pid => _child.Process.Id;

    /// <summary>Its standard output. Read it to the end: a tool whose output nobody reads waits for ever.</summary>
    public Stream StandardOutput => _child.Process.StandardOutput.BaseStream;

    /// <summary>Its standard input, where the command says that it reads it. Close it to end the input.</summary>
    public Stream StandardInput => _child.Process.StandardInput.BaseStream;

    /// <summary>The last lines of standard error so far, at most 8 KiB.</summary>
    public string ErrorTail => _errors.ToString();

    /// <summary>Starts a tool.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>: there is no such program.</exception>
    public static ToolProcess Start(ToolCommand command, ProcessRegistry registry)
    {
        var record = registry.NewRecord(
            ProcessRegistry.NewName(command.Name), command.Purpose ?? command.Name, Afterlife.Ended, folder: null, isServer: false);
        return new ToolProcess(ChildProcess.Start(command, record, registry), record, registry, command);
    }

    /// <summary>Runs a tool to its end and returns what it wrote. It reads an empty input.</summary>
    public static async Task<ToolResult> RunAsync(ToolCommand command, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var tool = Start(command with { ReadsInput = false }, registry);
        await using (tool.ConfigureAwait(false))
        {
            var output = await tool.ReadOutputAsync(cancellationToken).ConfigureAwait(false);
            var exitCode = await tool.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new ToolResult(exitCode, output, tool.ErrorTail);
        }
    }

    /// <summary>
    /// Waits for the end and returns the exit code; all of standard error has been read by then. When cancelled the tool is
    /// ended (TERM, then KILL) before the cancellation is thrown.
    /// </summary>
    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _child.Process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            await _errorPump.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await StopAsync().ConfigureAwait(false);
            throw;
        }

        _registry.Remove(_record.Name);
        return _child.Process.ExitCode;
    }

    /// <summary>Ends the tool and what it started: TERM, after five seconds KILL. Returns when it is gone.</summary>
    public async Task StopAsync()
    {
        if (_child.Identity is { } identity && !_child.Process.HasExited)
        {
            await ProcessEnding.EndAsync(identity, ProcessEnding.Tool, _registry.Time, CancellationToken.None).ConfigureAwait(false);
            LibC.SignalGroup(identity.Pid, UnixSignal.Kill);
        }

        await _child.Process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        _registry.Remove(_record.Name);
    }

    /// <summary>Ends it where it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _child.Process.StandardError.BaseStream.Dispose();
        _child.Process.StandardOutput.BaseStream.Dispose();
        await _errorPump.ConfigureAwait(false);
        _child.Dispose();
    }

    private async Task<string> ReadOutputAsync(CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var buffer = new char[8192];
        int read;
        while ((read = await _child.Process.StandardOutput.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            text.Append(buffer, 0, Math.Min(read, OutputLimit - text.Length));
        }

        return text.ToString();
    }

    private async Task PumpErrorsAsync(StreamReader errors, Action<string>? onLine)
    {
        try
        {
            while (await errors.ReadLineAsync(CancellationToken.None).ConfigureAwait(false) is { } line)
            {
                _errors.Add(line);
                onLine?.Invoke(line);
            }
        }
        catch (Exception exception) when (exception is ObjectDisposedException or IOException)
        {
            // The tool has been ended and its pipe closed: there is nothing more to hear.
            Debug.Assert(_child.Process.HasExited, "the error pipe closes only after the end");
        }
    }
}

/// <summary>The last lines of a text that comes line by line.</summary>
internal sealed class ErrorTail(int limit)
{
    private readonly Queue<string> _lines = new();
    private readonly Lock _gate = new();
    private int _length;

    internal void Add(string line)
    {
        var kept = line.Length > limit ? line[..limit] : line;
        lock (_gate)
        {
            _lines.Enqueue(kept);
            _length += kept.Length + 1;
            while (_length > limit && _lines.Count > 1)
            {
                _length -= _lines.Dequeue().Length + 1;
            }
        }
    }

    public override string ToString()
    {
        lock (_gate)
        {
            return string.Join('\n', _lines);
        }
    }
}
