using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Stands before a restore that writes over something that lives: others than the one who asked approve exactly its plan.</summary>
public interface IRestoreGate
{
    /// <summary>Refuses what nobody could ever approve, before anybody waits for it.</summary>
    /// <param name="requester">Who asks for the restore.</param>
    /// <exception cref="EngineException"><c>approvers-missing</c>, with what to do.</exception>
    Task RequireApproversAsync(RestorePlan plan, string requester, CancellationToken cancellationToken);

    /// <summary>Goes through the gate, and uses the approvals of this very plan up. Called again after a crash it finds them used.</summary>
    /// <param name="hasBegun">True where the restore was begun: until then an approval lapses with time.</param>
    /// <exception cref="RunWaitsException">It is not open to the run.</exception>
    Task RequireAsync(RunContext context, RestorePlan plan, bool hasBegun);
}
