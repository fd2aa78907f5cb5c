using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>What a restore into a scratch place showed.</summary>
/// <param name="Passed">True where it was restored and its content is what the source's was.</param>
/// <param name="Text">What was found.</param>
/// <param name="Phases">How long each part took.</param>
public sealed record ScratchProofResult(bool Passed, string Text, IReadOnlyList<RestorePhase> Phases);

/// <summary>
/// Restores a restore point of any kind into a scratch place and compares it there, by the last two steps of a validation: a volume
/// into a folder, a Redis into a scratch server, a virtual cluster into an empty one.
/// </summary>
public sealed class ScratchProofs(ValidationOptions options, ProcessRegistry registry, TimeProvider time)
{
    private static readonly IContentProver[] s_provers = [new VClusterProver(), new RedisProver(), new VolumeProver()];

    /// <summary>Does it; what it started is gone when it returns.</summary>
    /// <param name="root">The folder that its scratch places are made in.</param>
    /// <exception cref="EngineException">What the restore ran into.</exception>
    public async Task<ScratchProofResult> ProveAsync(
        BackupRepository repository, Manifest manifest, string root, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var prover = s_provers.FirstOrDefault(prover => prover.Proves(manifest))
            ?? throw new EngineException("drill-not-possible", ErrorKind.Unsupported, $"a restore point of kind {manifest.Kind} has no scratch place", "validate it instead");
        var proof = prover.Begin(new ProofWork(options with { ScratchRoot = root }, registry, time, repository, manifest, progress, log));
        try
        {
            var began = time.GetTimestamp();
            var structure = await proof.CheckStructureAsync(cancellationToken);
            var checkedSeconds = time.GetElapsedTime(began).TotalSeconds;
            if (structure.Status != ValidationStepStatus.Passed)
            {
                return new ScratchProofResult(false, structure.Reason ?? "", [new RestorePhase("check", checkedSeconds)]);
            }

            var restored = await proof.RestoreAsync(cancellationToken);
            var seconds = time.GetElapsedTime(began).TotalSeconds - checkedSeconds;
            var restoring = restored.RestoreSeconds ?? seconds;
            return new ScratchProofResult(
                restored.Status == ValidationStepStatus.Passed, restored.Reason ?? "",
                [new RestorePhase("check", checkedSeconds), new RestorePhase("restore", restoring), new RestorePhase("compare", Math.Max(0, seconds - restoring))]);
        }
        finally
        {
            await proof.DisposeAsync();
        }
    }
}
