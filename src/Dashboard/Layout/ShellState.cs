namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The run that everybody should know about, as the strip under the app bar shows it.</summary>
/// <param name="Title">What is going on: <c>Restoring orders</c>.</param>
/// <param name="Step">Where it is: <c>restore, 79 %</c>.</param>
/// <param name="Forecast">When it will end, against the target, or null while nobody knows.</param>
/// <param name="Needed">Who is needed, or null.</param>
/// <param name="Href">The run's page.</param>
/// <param name="Share">How much is done, 0 to 1, or null while it cannot be known.</param>
public sealed record RunBannerModel(string Title, string Step, string? Forecast, string? Needed, string Href, double? Share);

/// <summary>What the frame shows around every page of one circuit. Changes come from the page's own dispatcher or any thread.</summary>
public sealed class ShellState
{
    /// <summary>Raised after any change.</summary>
    public event Action? Changed;

    /// <summary>light, dark or system.</summary>
    public string Theme { get; set; } = ThemePreference.System;

    /// <summary>The run to show, or null.</summary>
    public RunBannerModel? Banner { get; private set; }

    /// <summary>Runs at work now; shown on the rail.</summary>
    public int RunningRuns { get; private set; }

    /// <summary>Gates that wait for somebody; shown on the rail.</summary>
    public int OpenGates { get; private set; }

    /// <summary>Shows another run (null: none) and counts.</summary>
    public void Show(RunBannerModel? banner, int runningRuns, int openGates)
    {
        if (Banner == banner && RunningRuns == runningRuns && OpenGates == openGates)
        {
            return;
        }

        (Banner, RunningRuns, OpenGates) = (banner, runningRuns, openGates);
        Changed?.Invoke();
    }
}
