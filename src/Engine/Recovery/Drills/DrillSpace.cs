using Hexabase.DrConsole.Engine.Validation;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>Whether there is room for a drill.</summary>
public static class DrillSpace
{
    /// <summary>A cluster, the WAL that follows it, and what its server writes while it is looked at.</summary>
    private const double Factor = 1.5;

    private const long Least = 256L << 20;

    /// <exception cref="EngineException"><c>drill-space</c>: less is free than what is restored needs.</exception>
    /// <param name="options">Where.</param>
    /// <param name="bytes">What is restored; of several sources the sum: they lie side by side.</param>
    public static void Require(ValidationOptions options, long bytes)
    {
        ArgumentNullException.ThrowIfNull(options);
        var needed = (long)(bytes * Factor) + Least;
        var folder = new DirectoryInfo(options.ScratchRoot);
        while (folder is { Exists: false, Parent: { } parent })
        {
            folder = parent;
        }

        var free = new DriveInfo(folder.FullName).AvailableFreeSpace;
        if (free < needed)
        {
            throw new EngineException("drill-space", ErrorKind.OutOfSpace, $"a drill needs about {needed:N0} bytes in {options.ScratchRoot}, and {free:N0} are free",
                "free space there; nothing was begun");
        }
    }
}
