using Hexabase.DrConsole.Engine.Repository.Prune;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    /// <summary>Says what <see cref="PruneAsync"/> would do now, with a reason for each restore point and pack. Writes nothing.</summary>
    /// <exception cref="EngineException">As <see cref="PruneAsync"/>, but for what only a write shows.</exception>
    public async Task<PruneReport> PlanPruneAsync(
        PruneOptions options, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Require(options);
        using var fresh = _parts.Fresh();
        return await new RepositoryPrune(fresh, options, progress).PlanAsync(cancellationToken);
    }

    /// <summary>
    /// Gives up restore points and frees what no other needs, in two phases: packs are marked now and deleted by a later call,
    /// when their grace period is over. Runs beside backups, copies, checks and other prunes; may be killed at any instant.
    /// Use it through one repository object at a time.
    /// </summary>
    /// <exception cref="EngineException">
    /// Kind Damaged where a manifest, a mark or the index cannot be read; Conflict where too much would go
    /// without approval; Unavailable where the store's clock or listing cannot be relied on. Then nothing was deleted.
    /// </exception>
    public async Task<PruneReport> PruneAsync(
        PruneOptions options, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Require(options);
        using var fresh = _parts.Fresh();
        return await new RepositoryPrune(fresh, options, progress).RunAsync(cancellationToken);
    }

    /// <summary>The restore points that this tier ever gave up, as far as prune noted; one that was copied here by name since is among them.</summary>
    public async Task<IReadOnlySet<RestorePointId>> ExpiredAsync(CancellationToken cancellationToken = default) =>
        (await new MarkStore(_parts.Keys, _parts.Store).LoadAsync(cancellationToken)).ExpiredPoints();

    /// <summary>Keeps a restore point from being given up, in this tier and in those that attestations are copied to.</summary>
    /// <param name="point">The restore point.</param>
    /// <param name="kind"><see cref="Attestations.Hold"/> or <see cref="Attestations.Use"/>.</param>
    /// <param name="reason">Why, for people.</param>
    /// <param name="until">When it ends by itself; null for one that must be released.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>The id by which it is released.</returns>
    public Task<string> HoldAsync(RestorePointId point, string kind, string reason, DateTimeOffset? until, CancellationToken cancellationToken = default) =>
        kind is not (Attestations.Hold or Attestations.Use) ? throw new ArgumentException($"'{kind}' keeps no restore point", nameof(kind))
            : WriteAttestationAsync(kind, point, System.Text.Json.JsonSerializer.SerializeToElement(new { reason, until }), cancellationToken);

    /// <summary>Ends a hold or a use.</summary>
    public Task ReleaseAsync(RestorePointId point, string hold, CancellationToken cancellationToken = default) =>
        WriteAttestationAsync(Attestations.Release, point, System.Text.Json.JsonSerializer.SerializeToElement(new { attestation = hold }), cancellationToken);

    /// <summary>Ends a hold, a use or a freeze that stands, by a person's word.</summary>
    /// <exception cref="EngineException">Kind Input without a reason; NotFound where no such attestation stands.</exception>
    public async Task EndAsync(string attestation, string reason, CancellationToken cancellationToken = default)
    {
        if (string.IsNullOrWhiteSpace(reason))
        {
            throw new EngineException("reason-missing", ErrorKind.Input, "there is no reason for ending this", "say why, for whoever asks later; nothing was changed");
        }

        var all = (await _parts.Attestations.LoadAsync(cancellationToken)).Readable;
        var standing = Attestations.StillValid(all, _parts.Options.Time.GetUtcNow()).Select(one => one.Id).Concat(Attestations.Freezes(all).Select(one => one.Id));
        if (!standing.Contains(attestation))
        {
            throw new EngineException(
                "hold-missing", ErrorKind.NotFound, $"no hold, use or freeze '{attestation}' stands in {Info.Url}",
                "'drconsole repository prune --dry-run' names what keeps a restore point; nothing was changed");
        }

        var point = all.First(one => one.Id == attestation).RestorePoint;
        await WriteAttestationAsync(
            Attestations.Release, point, System.Text.Json.JsonSerializer.SerializeToElement(new { attestation, reason }), cancellationToken);
    }

    private static void Require(PruneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Grace < TimeSpan.Zero || options.MinimumUse is < 0 or > 1 || options.MaxDeletedShare is < 0 or > 1)
        {
            throw new EngineException(
                "prune-options-invalid", ErrorKind.Input, "a grace period below zero, or a share that is not between 0 and 1, cannot be", "correct the options; nothing was changed");
        }
    }
}
