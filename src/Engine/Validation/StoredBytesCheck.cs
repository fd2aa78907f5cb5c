using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Steps one to three, for restore points of any kind: each reads everything again down to one layer, so that the layer
/// that fails is the one that is at fault. A pack's SHA-256 finds every changed byte; the two after it find what was
/// written wrong in the first place.
/// </summary>
internal sealed class StoredBytesCheck(BackupRepository repository, IProgress<TransferProgress>? progress)
{
    private const int NamesInReason = 3;

    /// <summary>Every pack: its SHA-256 and length.</summary>
    public async Task<StepOutcome> CheckPacksAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var report = await repository.VerifyPacksAsync(manifest, progress, cancellationToken);
        if (report.IsSound)
        {
            return StepOutcome.Passed($"{Counted.Of(report.Packs, "pack")}, {Bytes(report.Bytes)}");
        }

        var fault = await TryQuarantineAsync(report, cancellationToken);
        return StepOutcome.Failed(
            $"{report.Damaged.Count} damaged: {string.Join("; ", report.Damaged.Take(NamesInReason).Select(damage => $"{damage.Name} {damage.Reason}"))}"
            + (fault is null ? "" : $"; they could not be marked, so later backups may lean on them: {fault}")
            + "\n  → repair this tier from another one ('drconsole repository repair'), or take a new backup",
            report.Damaged.Select(damage => damage.Name));
    }

    /// <summary>Later backups must not lean on what was found damaged. A read-only store cannot be told; its damage stands all the same.</summary>
    private async Task<string?> TryQuarantineAsync(PackReport report, CancellationToken cancellationToken)
    {
        try
        {
            await repository.QuarantineAsync(report.Damaged.Select(damage => damage.Name), "found damaged by a validation", cancellationToken);
            return null;
        }
        catch (EngineException error)
        {
            return error.Message;
        }
    }

    /// <summary>Every chunk's authentication tag.</summary>
    public async Task<StepOutcome> CheckTagsAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var report = await repository.VerifyChunksAsync(manifest, ChunkLayer.Encryption, progress, cancellationToken);
        return Judge(report, $"{Counted.Of(report.Chunks, "chunk")} opened with AES-256-GCM");
    }

    /// <summary>Every chunk's zstd frame, its length, and the HMAC that is its id.</summary>
    public async Task<StepOutcome> CheckFramesAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var report = await repository.VerifyChunksAsync(manifest, ChunkLayer.Content, progress, cancellationToken);
        return Judge(report, $"{Counted.Of(report.Chunks, "chunk", "unpacks to its length", "unpack to their length")} and id");
    }

    internal static StepOutcome Judge(ChunkReport report, string found)
    {
        if (report.IsSound)
        {
            return StepOutcome.Passed($"{found}, {Bytes(report.Bytes)}");
        }

        var counts = new (long Count, string One, string Many)[]
        {
            (report.EncryptionFaults, "fails its authentication tag", "fail their authentication tag"),
            (report.CompressionFaults, "does not unpack to its length", "do not unpack to their length"),
            (report.IdentityFaults, "is another chunk than its id says", "are other chunks than their id says"),
            (report.Missing, "is missing", "are missing"),
            (report.Unreachable.Count, "list cannot be followed", "lists cannot be followed"),
        };
        var names = report.Damaged.Select(chunk => $"{chunk.Chunk} in pack {chunk.Pack ?? "none"}")
            .Concat(report.Unreachable.Select(damage => $"{damage.Name}: {damage.Reason}")).ToList();
        return StepOutcome.Failed(
            $"of {Counted.Of(report.Chunks, "chunk")} {string.Join(", ", counts.Where(fault => fault.Count > 0).Select(fault => $"{fault.Count} {(fault.Count == 1 ? fault.One : fault.Many)}"))}: "
            + string.Join("; ", names.Take(NamesInReason)),
            names);
    }

    private static string Bytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB");
}
