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

    private sealed class Proof(ProofWork work) : IContentProof
    {
        public Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken) => new VClusterStructureCheck(work).RunAsync(cancellationToken);

        public async Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken) =>
            await new ClaimVolumesProof(work).RestoreAsync(await new VClusterProof(work).RunAsync(cancellationToken), cancellationToken);

        // Each check takes down what it started before it returns.
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
