using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>Waits for what other processes bring about; what never comes fails its test and does not hang all of them.</summary>
internal static class Eventually
{
    /// <summary>Many times what anything here takes, on a machine that does much else.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    /// <summary>Waits until something is so; where it does not become so, the test fails with what was found last.</summary>
    public static async Task UntilAsync(Func<Task<bool>> isSo, Func<string> found, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        while (!await isSo())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < s_patience, $"waited {s_patience.TotalSeconds} s for {found()}");
            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>The same for what can be seen at once.</summary>
    public static Task UntilAsync(Func<bool> isSo, string what, CancellationToken cancellationToken) => UntilAsync(() => Task.FromResult(isSo()), () => what, cancellationToken);
}
