using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>Proves dumps of PostgreSQL.</summary>
/// <param name="clients">Installed client programs; looked for at each validation where null.</param>
internal sealed class LogicalProver(IReadOnlyList<PostgresBinaries>? clients) : IContentProver
{
    /// <inheritdoc/>
    public bool Proves(Manifest manifest) => manifest is { Kind: LogicalBackup.Kind, Strategy: LogicalBackup.Strategy };

    /// <inheritdoc/>
    public IContentProof Begin(ProofWork work) => new Proof(work, clients ?? PostgresBinaries.FindClients());

    private sealed class Proof(ProofWork work, IReadOnlyList<PostgresBinaries> tools) : IContentProof
    {
        public Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken) =>
            new ContentStructureCheck(work.Registry, tools).RunAsync(work.Repository, work.Manifest, cancellationToken);

        public Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken) =>
            new RestorabilityCheck(work.Options, work.Registry, work.Time, tools).RunAsync(work.Repository, work.Manifest, work.Progress, work.Log, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>Proves physical backups of PostgreSQL.</summary>
internal sealed class PhysicalProver : IContentProver
{
    /// <inheritdoc/>
    public bool Proves(Manifest manifest) => manifest is { Kind: LogicalBackup.Kind, Strategy: PhysicalBackup.Strategy };

    /// <inheritdoc/>
    public IContentProof Begin(ProofWork work) => new Proof(work);

    private sealed class Proof(ProofWork work) : IContentProof
    {
        private readonly ClusterProof _cluster = new(work.Options, work.Registry, work.Time, work.Repository, work.Progress, work.Log);

        public Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken) => _cluster.UnpackAsync(work.Manifest, cancellationToken);

        public Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken) => _cluster.ProveAsync(work.Manifest, cancellationToken);

        public ValueTask DisposeAsync() => _cluster.DisposeAsync();
    }
}
