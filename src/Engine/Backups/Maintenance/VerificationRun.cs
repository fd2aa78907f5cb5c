using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a verification run is asked for.</summary>
/// <param name="Level">How deep; L2 reads packs, L3 opens every chunk of them.</param>
/// <param name="BudgetSeconds">How long packs are read in each workspace, those first that were not read for the longest time; null for all.</param>
/// <param name="Slice">The share <c>n/t</c> of the packs, or null for all.</param>
/// <param name="Workspace">Only this one, or null for all.</param>
/// <param name="AfterRepair">The repair that made the tier whole and asks whether it is, or null.</param>
/// <param name="TurnDays">Only what is due so that everything is read within so many days; null for all.</param>
public sealed record VerificationRequest(
    string Tier, CheckLevel Level, double? BudgetSeconds = null, string? Slice = null, string? Workspace = null, string? AfterRepair = null, int? TurnDays = null);

/// <summary>What was found in one workspace's repository.</summary>
/// <param name="PacksLeft">Packs that were due and for which the time did not suffice.</param>
public sealed record WorkspaceVerification(string Workspace, int Packs, int PacksRead, int PacksLeft, long BytesRead, IReadOnlyList<CheckDamage> Damaged);

/// <summary>What a verification run ends with.</summary>
public sealed record VerificationRunResult(string Tier, CheckLevel Level, IReadOnlyList<WorkspaceVerification> Workspaces)
{
    /// <summary>True where everything that was read is as it was written.</summary>
    public bool IsSound => Workspaces.All(one => one.Damaged.Count == 0);
}

/// <summary>
/// Reads a tier's stored bytes back, one workspace after the other. Damage is a result, not a failed run: it is named with the
/// restore points that it hurts, nothing leans on it any more, and a repair from another tier is asked for.
/// </summary>
public sealed class VerificationRun(TierRepositories tiers, RestorePointCatalog points, TierRequests requests, ProtectedEstate estate, WalCatalog wal) : IRunHandler
{
    private const int MostNamed = 200;

    /// <inheritdoc/>
    public string Kind => RunKinds.Verification;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<VerificationRequest>();
        var tier = estate.TierNamed(request.Tier);
        var done = new List<WorkspaceVerification>();
        var faults = new WorkspaceFaults(context, "verify");
        foreach (var workspace in request.Workspace is { } one ? [one] : await points.WorkspacesAsync(tier.Name, context.Cancellation))
        {
            await faults.TryAsync(workspace, async () =>
            {
                if (!await tiers.ExistsAsync(tier, workspace, context.Cancellation))
                {
                    throw new EngineException("repository-missing", ErrorKind.Unavailable,
                        $"{tier.Name} holds restore points of it as far as the catalog knows, and shows no repository of them", "Look whether its store is mounted.");
                }

                done.Add(await context.StepAsync($"verify {workspace}", step => VerifyAsync(context, step, request, tier, workspace)));
            });
        }

        var result = new VerificationRunResult(tier.Name, request.Level, done);
        string[] found = [.. done.Where(one => one.Damaged.Count > 0).Select(one => one.Workspace), .. faults.Damaged];
        // What a restore met while a repair of another workspace was open nobody asked for.
        var known = (await points.DamagedWorkspacesAsync(tier.Name, context.Cancellation)).Intersect(done.Select(one => one.Workspace));
        if (found.Union(known).ToList() is { Count: > 0 } damaged)
        {
            if (request.AfterRepair is { } repair && found.Length > 0)
            {
                context.Warn("verify", $"{tier.Name} is damaged again since {repair} made it whole: its store may be losing data. It is repaired once more, and not checked again before the next scheduled check");
            }

            await requests.AskForRepairAsync(context, tier.Name, damaged, isRepeated: request.AfterRepair is not null);
        }

        // After all others, so that one that is gone hides no damage in the rest.
        faults.ThrowIfAny();
        return result;
    }

    /// <summary>The other tiers that answer, to compare the WAL with; one that is away is compared with the next time.</summary>
    private async Task<OtherTiers> OpenOthersAsync(RunContext context, StorageTier tier, string workspace)
    {
        var others = new OtherTiers([]);
        foreach (var other in estate.Tiers.Where(other => other != tier))
        {
            try
            {
                if (await tiers.ExistsAsync(other, workspace, context.Cancellation))
                {
                    others.Opened.Add(await tiers.OpenAsync(other, workspace, context.Cancellation));
                }
            }
            catch (EngineException fault)
            {
                context.Log("verify", $"{workspace}: the WAL in {tier.Name} is not compared with {other.Name}: {fault.Message}");
            }
        }

        return others;
    }

    /// <summary>Repositories of other tiers, closed together.</summary>
    private sealed record OtherTiers(List<BackupRepository> Opened) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            foreach (var one in Opened)
            {
                await one.DisposeAsync();
            }
        }
    }

    /// <summary>Restore points that the catalog knows in the tier and that no check of what is there finds, since their manifests are gone.</summary>
    private async Task<IReadOnlyList<CheckDamage>> LostAsync(BackupRepository repository, StorageTier tier, string workspace, CancellationToken cancellationToken)
    {
        var lost = await repository.FindLostAsync(await points.StoredInAsync(tier.Name, workspace, cancellationToken), cancellationToken);
        if (lost.Count == 0)
        {
            return [];
        }

        // What another process shredded, or wrote down as given up, meanwhile is not lost.
        var still = (await points.StoredInAsync(tier.Name, workspace, cancellationToken)).ToHashSet();
        return [.. lost.Where(still.Contains).Select(id => new CheckDamage(BackupRepository.NameOf(id), "is missing, and this tier never gave its restore point up", [id]))];
    }

    /// <summary>
    /// Takes damaged WAL out of what the tier offers. Where a source's WAL is received now, what it lacks then counts against its loss
    /// from this run on, and not only from the receiver's next look through the tiers.
    /// </summary>
    private async Task<IReadOnlyList<(string Source, IReadOnlyList<WalHole> Holes)>> NoteWalAsync(
        RunContext context, BackupRepository repository, StorageTier tier, string workspace, CheckReport report)
    {
        IReadOnlySet<string> hurt = new HashSet<string>();
        try
        {
            hurt = (await repository.NoteDamagedWalAsync(report.Damaged, report.SoundWal, context.Cancellation)).ToHashSet();
        }
        catch (EngineException fault)
        {
            // A tier that takes no note, as when it is full, must not hide what was found in it.
            context.Warn("wal", $"what was found in {tier.Name} could not be noted there: {fault.Message}");
        }

        var found = new List<(string Source, IReadOnlyList<WalHole> Holes)>();
        try
        {
            foreach (var stream in hurt.Count == 0 ? [] : (await repository.ListWalAsync(context.Cancellation)).Where(stream => hurt.Contains(stream.Stream)))
            {
                await NoteHolesAsync(stream);
            }
        }
        catch (EngineException fault)
        {
            // Nobody can tell what lies where cannot be looked: what was known stands, and so does what this check has found.
            context.Warn("wal", $"what {tier.Name} lacks of the WAL could not be looked at: {fault.Message}");
        }

        return found;

        async Task NoteHolesAsync(WalStreamInfo stream)
        {
            var archive = await repository.OpenWalAsync(stream.Source, stream.SystemIdentifier, context.Cancellation);
            var coverage = await archive.CoverageAsync(context.Cancellation);
            foreach (var (timeline, damaged) in coverage.Timelines.Where(one => one.Damaged.Count > 0).Select(one => (one.Timeline, one.Damaged)))
            {
                context.Warn("wal", $"{workspace} in {tier.Name}: {Counted.Of(damaged.Count, "object")} of the WAL of {stream.Source}, timeline {timeline}, from {new Lsn(damaged[0].StartLsn)} on are damaged: no moment is offered from {tier.Name} that needs them");
            }

            if (await wal.ReceiversAsync(stream.Source, context.Cancellation) is [{ Timeline: { } received } receiver, ..]
                && receiver.SystemIdentifier == stream.SystemIdentifier.ToString(System.Globalization.CultureInfo.InvariantCulture))
            {
                found.Add((stream.Source, await archive.HolesAsync((uint)received, context.Cancellation)));
            }
        }
    }

    private async Task<WorkspaceVerification> VerifyAsync(RunContext context, StepHandle step, VerificationRequest request, StorageTier tier, string workspace)
    {
        await using var repository = await tiers.OpenAsync(tier, workspace, context.Cancellation);
        var options = new CheckOptions
        {
            Level = request.Level,
            Slice = request.Slice is { } slice ? CheckSlice.Parse(slice) : CheckSlice.All,
            // Also without a limit: what is read is remembered, so that it can be said when all of it was.
            Budget = request.BudgetSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue,
            TurnDays = request.TurnDays,
        };
        await using var others = await OpenOthersAsync(context, tier, workspace);
        var report = await repository.CheckAsync(options with { Others = others.Opened }, context.Progress, context.Cancellation);
        report = report with { Damaged = [.. report.Damaged, .. await LostAsync(repository, tier, workspace, context.Cancellation)] };
        context.Log("verify", $"{workspace} in {tier.Name}: {Counted.Of(report.PacksRead, report.Packs, "pack")} read, {Counted.Of(report.Damaged.Count, "object")} damaged or missing");
        foreach (var damage in report.Damaged.Take(MostNamed))
        {
            context.Warn("damaged", $"{damage.Name}: {damage.Reason}{(damage.RestorePoints.Count == 0 ? "" : $"; hurts {string.Join(", ", damage.RestorePoints.Take(5).Select(point => point.Short))}")}");
        }

        if (!report.IsSound)
        {
            await repository.QuarantineAsync(report.Damaged.Select(damage => damage.Name), $"found damaged by {context.Run.Id}", context.Cancellation);
        }

        var holes = await NoteWalAsync(context, repository, tier, workspace, report);
        step.OnCommit(async transaction =>
        {
            foreach (var (source, missing) in holes)
            {
                await WalCatalog.NoteHolesAsync(transaction, source, tier.Name, missing, CancellationToken.None);
            }

            await TierChecks.RecordAsync(transaction, tier.Name, workspace, new TierCheckReading(
                request.Level, request.Slice ?? (request.TurnDays is null ? null : $"{report.PacksRead + report.WalObjectsRead}/{report.Packs + report.WalObjects}"), report.PacksRead, report.BytesRead, [.. report.Damaged.Take(MostNamed).Select(damage => damage.Name)],
                report.PacksLeft > 0 ? $"{Counted.Of(report.PacksLeft, "pack", "waits", "wait")} for the next check" : null, report.Coverage));
            foreach (var damage in report.Damaged.Where(damage => damage.RestorePoints.Count > 0))
            {
                await TierChecks.MarkDamagedAsync(transaction, tier.Name, [.. damage.RestorePoints.Select(point => point.Value)], $"{damage.Name}: {damage.Reason}");
            }

            if (report.IsSound && request.AfterRepair is { } repair)
            {
                // What any level found stays marked in the repository, so a sound look at all of it speaks for all levels.
                await TierChecks.ForgetDamageAsync(transaction, tier.Name, workspace, $"repaired by {repair}");
            }
        });
        return new WorkspaceVerification(workspace, report.Packs, report.PacksRead, report.PacksLeft, report.BytesRead, [.. report.Damaged.Take(MostNamed)]);
    }
}
