using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>Proves backups of virtual clusters.</summary>
internal sealed class VClusterProver : IContentProver
{
    /// <inheritdoc/>
    public bool Proves(Manifest manifest) => manifest is { Kind: VClusterBackup.Kind };

    /// <inheritdoc/>
    public IContentProof Begin(ProofWork work) => new Proof(work);

    /// <summary>The outcome of a restore of everything that a restore point has, where it has not everything.</summary>
    internal static StepOutcome Whole(StepOutcome outcome, string? unread) => outcome.Status != ValidationStepStatus.Passed || unread is null
        ? outcome
        : outcome with { Status = ValidationStepStatus.NotRun, NotProvable = true, Reason = $"not provable as a whole: the backup could not read {unread}. What is in it: {outcome.Reason}" };

    /// <summary>The same where its control plane's store is a file of SQLite: nothing here opens that, whatever of the objects is proven.</summary>
    internal static StepOutcome WithStore(StepOutcome outcome, IReadOnlyList<StoredArtifact> artifacts) => outcome.Status != ValidationStepStatus.Passed || artifacts.All(one => one.Name != StoreFileCapture.Files[0])
        ? outcome
        : outcome with { Status = ValidationStepStatus.NotRun, NotProvable = true, Reason = $"its store, {StoreFileCapture.Files[0]}, is not proven here: it is read as it was copied, and not opened. What else is in it: {outcome.Reason}" };

    private sealed class Proof(ProofWork work) : IContentProof
    {
        public Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken) => new VClusterStructureCheck(work).RunAsync(cancellationToken);

        /// <remarks>What the backup could not read may be what a recovery needs: a point without it is not called proven, whatever is equal in it.</remarks>
        public async Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken)
        {
            var outcome = await new ClaimVolumesProof(work).RestoreAsync(await new VClusterProof(work).RunAsync(cancellationToken), cancellationToken);
            var unread = VClusterStructureCheck.Unread(await ClusterInventory.ReadAsync(work.Repository, work.Manifest, cancellationToken));
            return WithStore(Whole(outcome, unread), work.Manifest.Artifacts);
        }

        // Each check takes down what it started before it returns.
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
