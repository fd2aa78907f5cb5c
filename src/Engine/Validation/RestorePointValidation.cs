using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>Where scratch servers live and what they must not see.</summary>
public sealed record ValidationOptions
{
    /// <summary>As <see cref="ScratchPostgresOptions.Root"/>.</summary>
    public required string ScratchRoot { get; init; }

    /// <summary>Key files and data folders that code inside a restored database must not be able to read.</summary>
    public IReadOnlyList<string> ProtectedPaths { get; init; } = [];
}

/// <summary>
/// Validates a restore point in five steps that stop at the first failure, and keeps the result as an attestation in the
/// repository. What did not run is shown as not run, so that silence never reads as success.
/// </summary>
/// <param name="options">Where scratch servers live.</param>
/// <param name="registry">Records the processes that are started.</param>
/// <param name="time">The clock.</param>
/// <param name="clients">Installed client programs; looked for at each validation where null.</param>
public sealed class RestorePointValidation(
    ValidationOptions options, ProcessRegistry registry, TimeProvider time, IReadOnlyList<PostgresBinaries>? clients = null)
{
    private readonly IContentProver[] _provers = [new LogicalProver(clients), new PhysicalProver(), new VClusterProver(), new RedisProver(), new VolumeProver()];

    /// <summary>Runs the steps. A restore point that fails is a result, not an exception.</summary>
    /// <param name="repository">Where the restore point is, and where the attestation goes.</param>
    /// <param name="id">The restore point.</param>
    /// <param name="progress">Told packs, chunks and bytes.</param>
    /// <param name="log">Told a step and a line of text.</param>
    /// <param name="cancellationToken">Ends the validation; then nothing is attested.</param>
    /// <exception cref="EngineException">The restore point does not exist, or the attestation cannot be stored.</exception>
    public async Task<ValidationResult> RunAsync(
        BackupRepository repository, RestorePointId id, IProgress<TransferProgress>? progress, Action<string, string>? log,
        CancellationToken cancellationToken)
    {
        var stored = new StoredBytesCheck(repository, progress);
        Manifest? manifest = null;
        IContentProof? proof = null;
        (string Name, Func<Task<StepOutcome>> Run)[] steps =
        [
            (ValidationSteps.FileIntegrity, async () =>
            {
                manifest = await repository.ReadManifestAsync(id, cancellationToken);
                return await stored.CheckPacksAsync(manifest, cancellationToken);
            }),
            (ValidationSteps.Encryption, () => stored.CheckTagsAsync(manifest!, cancellationToken)),
            (ValidationSteps.Compression, () => stored.CheckFramesAsync(manifest!, cancellationToken)),
            (ValidationSteps.ContentStructure, () =>
            {
                proof = _provers.FirstOrDefault(prover => prover.Proves(manifest!))?.Begin(new ProofWork(options, registry, time, repository, manifest!, progress, log));
                return proof is null ? Task.FromResult(NoDriver(manifest!)) : proof.CheckStructureAsync(cancellationToken);
            }),
            (ValidationSteps.Restorability, () => proof!.RestoreAsync(cancellationToken)),
        ];

        ValidationResult result;
        try
        {
            result = await RunStepsAsync(id, steps, log);
        }
        finally
        {
            await (proof?.DisposeAsync() ?? ValueTask.CompletedTask);
        }

        try
        {
            await repository.WriteAttestationAsync(ValidationResult.AttestationKind, id, result.ToJson(), cancellationToken);
        }
        catch (EngineException fault)
        {
            // A full or read-only tier must not hide what was found in it: the result stands, the catalog keeps it.
            log?.Invoke("attestation", $"not stored beside the restore point: {fault.Message}");
        }

        return result;
    }

    private async Task<ValidationResult> RunStepsAsync(RestorePointId id, (string Name, Func<Task<StepOutcome>> Run)[] steps, Action<string, string>? log)
    {
        var done = new List<ValidationStep>();
        StepOutcome? last = null;
        string? stopped = null;
        foreach (var (name, run) in steps)
        {
            if (stopped is not null)
            {
                done.Add(new ValidationStep { Name = name, Status = ValidationStepStatus.NotRun, Reason = stopped });
                continue;
            }

            log?.Invoke(name, "running");
            var (step, outcome) = await RunStepAsync(name, run);
            done.Add(step);
            last = outcome;
            log?.Invoke(name, $"{Text(step)}: {step.Reason}");
            stopped = step.Status == ValidationStepStatus.Passed ? null : $"because step {done.Count} ({name}) {Text(step)}";
        }

        return new ValidationResult
        {
            RestorePointId = id.Value,
            OverallPassed = done.Count == ValidationSteps.All.Count && done.All(step => step.Status == ValidationStepStatus.Passed),
            Steps = done,
            MeasuredRestoreSeconds = last?.RestoreSeconds,
            Isolation = last?.Isolation,
            ValidatedAt = time.GetUtcNow(),
            Comparison = last?.Comparison,
            ComparedObjects = last?.ComparedObjects ?? 0,
        };

        static string Text(ValidationStep step) => step.Status switch
        {
            ValidationStepStatus.Passed => "passed",
            ValidationStepStatus.Failed => "failed",
            _ => "could not be run",
        };
    }

    private async Task<(ValidationStep Step, StepOutcome Outcome)> RunStepAsync(string name, Func<Task<StepOutcome>> run)
    {
        var startedAt = time.GetUtcNow();
        var began = time.GetTimestamp();
        StepOutcome outcome;
        try
        {
            outcome = await run();
        }
        catch (EngineException fault) when (fault.Code != BackupRepository.PointMissing)
        {
            outcome = StepOutcome.From(fault);
        }

        return (new ValidationStep
        {
            Name = name,
            Status = outcome.Status,
            StartedAt = startedAt,
            Seconds = time.GetElapsedTime(began).TotalSeconds,
            Reason = outcome.Reason,
            Damaged = outcome.Damaged,
            NotProvable = outcome.NotProvable,
        }, outcome);
    }

    private static StepOutcome NoDriver(Manifest manifest) =>
        StepOutcome.CannotProve($"this version has no driver that restores the kind {manifest.Kind} into a scratch environment");
}
