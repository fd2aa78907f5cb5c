namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>What was found where a restore in place had worked.</summary>
/// <param name="IsAsPlanned">True where everything is as the restore point has it.</param>
/// <param name="Text">What was looked at, and what was found.</param>
public sealed record InPlaceFinding(bool IsAsPlanned, string Text);

/// <summary>A driver that also restores over what is there, can show afterwards that it did, and has a way back from it.</summary>
public interface IInPlaceDriver : IRestoreDriver
{
    /// <summary>Looks whether the target is what the plan wanted; changes nothing.</summary>
    /// <exception cref="EngineException">The target or the restore point cannot be read.</exception>
    Task<InPlaceFinding> CheckAsync(RestoreWork work, CancellationToken cancellationToken);

    /// <summary>
    /// Brings back what was there before an operation, also where that had come to its end. Reads no tier. Called again after a crash
    /// it goes on where it stopped.
    /// </summary>
    /// <returns>What was found, as a line for the log; null where nothing had been changed.</returns>
    /// <exception cref="EngineException">Not everything can be brought back; with what stays as it is.</exception>
    Task<string?> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken);
}
