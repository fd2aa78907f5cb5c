using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>Small system commands that tests need.</summary>
internal static class Shell
{
    /// <summary>Runs a command; it has to succeed.</summary>
    public static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.True(process.ExitCode == 0, $"{program}: {error}");
    }
}
