using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine;

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
            return fault.Kind == ErrorKind.Damaged ? ExitCodes.Damaged : ExitCodes.Failed;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("drconsole: stopped");
            return ExitCodes.Failed;
        }
    }

    /// <summary>Prints one JSON document on standard output.</summary>
    public static void PrintJson<T>(T value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, Json));
}
