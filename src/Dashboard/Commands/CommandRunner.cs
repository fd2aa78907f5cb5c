using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>How a command ends.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Damaged = 3;
}

/// <summary>The edge of every command: faults become one message on standard error and an exit code, results one JSON document.</summary>
internal static class CommandRunner
{
    /// <summary>Code of the fault that the command line lacks, or has wrong, the confirmation of what it asks for: a fault of its use.</summary>
    public const string Unconfirmed = "plan-unconfirmed";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Executes a command and gives its exit code.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (EngineException fault)
        {
            await Console.Error.WriteLineAsync($"drconsole: {fault.ToText()}");
            return fault.Kind == ErrorKind.Damaged ? ExitCodes.Damaged : fault.Code == Unconfirmed ? ExitCodes.Usage : ExitCodes.Failed;
        }
        catch (NpgsqlException fault)
        {
            await Console.Error.WriteLineAsync($"drconsole: the console's catalog does not answer: {fault.Message}\n  → Look whether the console, or the external PostgreSQL, still runs; then do it again. Runs go on at the console's next start.");
            return ExitCodes.Failed;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"drconsole: {fault.Message}\n  → Look at the rights and the space left there, then do it again.");
            return ExitCodes.Failed;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("drconsole: stopped");
            return ExitCodes.Failed;
        }
    }

    /// <summary>Executes a command that reads or writes the catalog alone, beside a running console or without one.</summary>
    public static Task<int> OnCatalogAsync(ParseResult parsed, ConsoleOptions options, Func<NpgsqlDataSource, Task> act, CancellationToken stopping) => RunAsync(async () =>
    {
        var configuration = ConsoleConfiguration.Load(parsed.GetValue(options.Config));
        await using var setup = await EngineSetup.StartAsync(configuration, parsed.GetValue(options.Data), mayBeGuest: true, TimeProvider.System, stopping, SayWait);
        await using var pool = setup.Connection.OpenPool();
        await act(pool);
        return ExitCodes.Done;
    });

    /// <summary>Says that another command has the data folder.</summary>
    public static void SayWait(FolderHolder holder) =>
        Console.Error.WriteLine($"Waiting for process {holder.Pid}, a command that uses the same data folder, to end.");

    /// <summary>Prints one JSON document on standard output.</summary>
    public static void PrintJson<T>(T value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, Json));
}
