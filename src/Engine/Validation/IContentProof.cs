using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>What steps four and five work with.</summary>
/// <param name="Options">Where scratch servers live.</param>
/// <param name="Registry">Records the processes that are started.</param>
/// <param name="Repository">Where the restore point is.</param>
/// <param name="Manifest">The restore point; its bytes were found as they were written.</param>
internal sealed record ProofWork(
    ValidationOptions Options, ProcessRegistry Registry, TimeProvider Time, BackupRepository Repository, Manifest Manifest,
    IProgress<TransferProgress>? Progress, Action<string, string>? Log);

/// <summary>
/// Steps four and five for one restore point of a kind. What five leaves running or lying about is gone when it is disposed of;
/// after a crash the process registry removes it.
/// </summary>
internal interface IContentProof : IAsyncDisposable
{
    /// <summary>Step four: the artifacts are what they say they are, and fit together.</summary>
    Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken);

    /// <summary>Step five, after four: restored into a scratch environment that is kept apart, the content is what the source's was.</summary>
    Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken);
}

/// <summary>Says which restore points it can prove, and begins to.</summary>
internal interface IContentProver
{
    /// <summary>True for restore points of its kind and strategy.</summary>
    bool Proves(Manifest manifest);

    /// <summary>Begins; nothing is started before step four asks for it.</summary>
    IContentProof Begin(ProofWork work);
}
