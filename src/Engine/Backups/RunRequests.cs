using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What a backup run is asked for.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Strategy">How: <c>logical</c> or <c>physical</c>.</param>
public sealed record BackupRequest(string Source, string Strategy = LogicalBackup.Strategy);

/// <summary>What a validation run is asked for.</summary>
/// <param name="RestorePoint">The restore point's full id.</param>
/// <param name="Tier">The tier to read it from; null for the first that holds it undamaged.</param>
public sealed record ValidationRequest(string RestorePoint, string? Tier = null);

/// <summary>What a drill to a moment is asked for.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Moment">The moment; null for a random second of the recoverable window, which the run chooses and writes down before it acts.</param>
public sealed record PointInTimeDrillRequest(string Source, DateTimeOffset? Moment = null);

/// <summary>What a table's rescue is asked for.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Table"><c>schema.table</c>, or a table of <c>public</c>.</param>
/// <param name="Moment">Recover the source to this moment; null where a restore point is named.</param>
/// <param name="RestorePoint">The full id of a restore point that holds the database as a dump; null where a moment is named.</param>
/// <param name="Decision">What to do with the difference, where that is decided beforehand; null to wait for a person.</param>
public sealed record TableRescueRequest(string Source, string Table, DateTimeOffset? Moment, string? RestorePoint, string? Decision = null);

/// <summary>Who asks for a restore.</summary>
/// <param name="Name">For the audit.</param>
/// <param name="MayWriteOver">Whether also over something that lives: an admin, or somebody at the console's own machine who confirmed the plan's hash.</param>
public sealed record RestoreAsker(string Name, bool MayWriteOver)
{
    /// <summary>The name of whoever asks at the console's own machine.</summary>
    public const string CommandLine = "command line";
}

/// <summary>
/// The one door through which pages, the schedule, the API and the command line ask for runs: it checks what can be checked
/// at once, writes the request with its audit event, and hands it over.
/// </summary>
public sealed class RunRequests(
    RunStore runs, RestorePointCatalog points, RestorePointAccess access, SourceDrivers drivers, RestoreDrivers restores, IRestoreGate gate, IRunTrigger trigger,
    ProtectedEstate estate, DataFolder data, ILogger<RunRequests> log)
{
    private readonly OwnSecrets _secrets = new(estate, data);

    /// <summary>Asks for a backup of a source.</summary>
    /// <param name="parent">The run that it is a part of, or null.</param>
    /// <param name="strategy">How, where nothing else will do; null for what is its turn.</param>
    /// <exception cref="EngineException">Unknown source, a kind without a driver, or a backup that is still open.</exception>
    public async Task<Run> BackupAsync(string source, string actor, CancellationToken cancellationToken, RunId? parent = null, string? strategy = null)
    {
        var found = estate.SourceNamed(source);
        var chosen = strategy ?? await drivers.Of(found).NextStrategyAsync(found, cancellationToken);
        return await RequestAsync(RunKinds.Backup, source, null, new BackupRequest(source, chosen), actor, parent, cancellationToken);
    }

    /// <summary>Asks for a validation of a restore point, named by its id or the beginning of it.</summary>
    /// <param name="tier">The tier to read it from; null for the first that holds it undamaged.</param>
    public async Task<Run> ValidateAsync(string restorePoint, string? tier, string actor, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        return await RequestAsync(RunKinds.Validation, point.Source, point.Id, new ValidationRequest(point.Id, tier), actor, null, cancellationToken);
    }

    /// <summary>Asks to recover a source to a moment in scratch.</summary>
    /// <param name="moment">The moment; null for a random second of the recoverable window.</param>
    /// <exception cref="EngineException">Unknown source; <c>no-wal</c>; or a drill of it is still open.</exception>
    public async Task<Run> DrillAsync(string source, DateTimeOffset? moment, string actor, CancellationToken cancellationToken)
    {
        if (estate.WalOf(estate.SourceNamed(source)) is null)
        {
            throw new EngineException("no-wal", ErrorKind.Unsupported, $"no WAL of {source} is received, so there is no window of moments to recover to",
                "Set Postgres:Mode to physical or both, and Postgres:Wal:Enabled to true.");
        }

        return await RequestAsync(RunKinds.PointInTimeDrill, source, null, new PointInTimeDrillRequest(source, moment), actor, null, cancellationToken);
    }

    /// <summary>Asks to show how a table was, and to copy it beside the living one where that is wanted.</summary>
    /// <param name="moment">A moment of the recoverable window; null where a restore point is named.</param>
    /// <param name="restorePoint">A logical restore point, or the beginning of its id; null where a moment is named.</param>
    /// <param name="decision">What to do with the difference; null to wait for a person.</param>
    /// <exception cref="EngineException">Unknown source; <c>rescue-invalid</c>; <c>no-wal</c>; the restore point is another source's.</exception>
    public async Task<Run> RescueAsync(
        string source, string table, DateTimeOffset? moment, string? restorePoint, string? decision, string actor, CancellationToken cancellationToken)
    {
        var found = estate.SourceNamed(source);
        if (found.Postgres is null || string.IsNullOrWhiteSpace(table) || moment is null == restorePoint is null)
        {
            throw new EngineException("rescue-invalid", ErrorKind.Input, found.Postgres is null ? $"{source} is no PostgreSQL" : "a rescue needs a table, and either a moment or a restore point",
                "Name the table as schema.table, and a moment of the recoverable window or a logical restore point.");
        }

        if (moment is not null && found.Postgres.Mode == PostgresMode.Logical)
        {
            throw new EngineException("no-wal", ErrorKind.Unsupported, $"{source} has no physical backups, so it cannot be recovered to a moment", "Name one of its restore points.");
        }

        var point = restorePoint is null ? null : await points.ResolveAsync(restorePoint, cancellationToken);
        if (point is not null && (point.Source != source || point.Strategy == PhysicalBackup.Strategy))
        {
            throw new EngineException("rescue-invalid", ErrorKind.Input, $"restore point {point.PointId.Short} is {(point.Source != source ? $"of {point.Source}" : "a physical one")}",
                "Name a logical restore point of the source, or a moment.");
        }

        return await RequestAsync(RunKinds.TableRescue, source, point?.Id, new TableRescueRequest(source, table.Trim(), moment, point?.Id, decision), actor, null, cancellationToken);
    }

    /// <summary>Asks to restore one older point of each source again, the one whose turn it is: content that was proven once may rot.</summary>
    /// <returns>The runs that were asked for.</returns>
    public async Task<IReadOnlyList<Run>> ProveAgainAsync(SourceCatalog sources, string actor, CancellationToken cancellationToken)
    {
        var asked = new List<Run>();
        foreach (var source in estate.Sources)
        {
            if (await sources.NextToProveAgainAsync(source, estate.ClassOf(source), cancellationToken) is { } point)
            {
                asked.Add(await ValidateAsync(point, null, actor, cancellationToken));
            }
        }

        return asked;
    }

    /// <summary>Asks for work on a tier: <see cref="RunKinds.IsOfTier"/>.</summary>
    /// <exception cref="EngineException">Unknown tier, or one of that kind is still open there.</exception>
    internal Task<Run> OfTierAsync(string kind, string tier, object request, string actor, CancellationToken cancellationToken) =>
        RequestAsync(kind, estate.TierNamed(tier).Name, null, request, actor, null, cancellationToken);

    /// <summary>Says what a restore would do; nothing is changed. The plan's hash is what a person confirms.</summary>
    /// <param name="target">A target's URL, as on the command line.</param>
    /// <param name="baseFolder">Where relative paths in it start.</param>
    /// <param name="asker">Who asks, where it is <see cref="RestoreAsker.CommandLine"/>: nobody else may name any file for a password.</param>
    /// <exception cref="EngineException">The target exists, does not answer or cannot take this point; <c>password-file-refused</c>.</exception>
    public async Task<RestorePlan> PlanRestoreAsync(string restorePoint, string target, string baseFolder, CancellationToken cancellationToken, string asker = "")
    {
        var parsed = RestoreTarget.Parse(target, baseFolder);
        _secrets.Refuse(parsed, asker);
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        var (_, repository) = await access.OpenForAsync(point, parsed, null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            return await restores.For(parsed, manifest).PlanAsync(repository, manifest, parsed, cancellationToken);
        }
    }

    /// <summary>Asks for a restore exactly as planned. One that writes over something that lives then waits until others approve it.</summary>
    /// <param name="confirmedHash">The hash of the plan that the person saw.</param>
    /// <param name="asker">Who confirmed it.</param>
    /// <exception cref="EngineException"><c>plan-changed</c>: it is not the hash of that plan; <c>role-missing</c>: it writes over something that lives, and the asker may not; <c>approvers-missing</c>: nobody could approve it.</exception>
    public async Task<Run> RestoreAsync(RestorePlan plan, string confirmedHash, RestoreAsker asker, CancellationToken cancellationToken)
    {
        plan.RequireHash(confirmedHash);
        if (plan.WritesOver && !asker.MayWriteOver)
        {
            throw new EngineException("role-missing", ErrorKind.Denied, $"this restore writes over what lives in {plan.Target}, which only an admin may ask for",
                "Ask an admin, or restore into something new. Nothing was changed.");
        }

        var target = RestoreTarget.Parse(plan.Target, "/");
        _secrets.Refuse(target, asker.Name);
        if (plan.WritesOver)
        {
            await gate.RequireApproversAsync(plan, asker.Name, cancellationToken);
        }

        var source = estate.Sources.FirstOrDefault(one => one.Name == plan.Source);
        var isElsewhere = plan.WritesOver && await RestorePlaces.IsElsewhereAsync(source, target, cancellationToken);
        var overwrites = plan.WritesOver ? await OverwrittenSources.FindAsync(estate.Sources, plan, TimeProvider.System, cancellationToken) : [];
        return await RequestAsync(
            RunKinds.Restore, plan.Source, plan.RestorePointId, new RestoreRequest(plan, confirmedHash) { IsElsewhere = isElsewhere, Overwrites = overwrites }, asker.Name, null, cancellationToken);
    }

    /// <summary>Asks to end a run. Not a recovery: it has a door of its own, since it ends with a reason, and undone or not.</summary>
    /// <exception cref="EngineException"><c>run-unknown</c>; <c>run-ended</c>: it has ended, or somebody has asked for that; <c>run-is-recovery</c>.</exception>
    public async Task CancelAsync(RunId run, string actor, CancellationToken cancellationToken)
    {
        var found = await runs.FindAsync(run, cancellationToken) ?? throw new EngineException("run-unknown", ErrorKind.NotFound, $"there is no run {run}", "All runs are on the Runs page.");
        if (found.Kind == RunKinds.Recovery)
        {
            throw new EngineException("run-is-recovery", ErrorKind.Conflict, $"{run} is a recovery, which ends with a reason, and undone or not", "End it as a recovery; nothing was changed.");
        }

        if (!await runs.CancelAsync(run, actor, cancellationToken))
        {
            throw new EngineException("run-ended", ErrorKind.Conflict, $"{run} has ended, or somebody has asked to end it", "Look at it as it is now.");
        }
    }

    /// <summary>Hands a written run over. It exists already: where the job queue cannot be reached now, the reconciler hands it over within a minute.</summary>
    internal async Task HandOverAsync(RunId run, CancellationToken cancellationToken)
    {
        try
        {
            await trigger.TriggerAsync(run, cancellationToken);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            log.LogWarning(fault, "{Run} could not be handed over at once", run);
        }
    }

    /// <summary>Writes the request and hands it over.</summary>
    internal async Task<Run> RequestAsync(
        string kind, string source, string? restorePoint, object request, string actor, RunId? parent, CancellationToken cancellationToken)
    {
        var run = await runs.RequestAsync(kind, source, restorePoint, request, actor, parent, cancellationToken);
        await HandOverAsync(run.Id, cancellationToken);
        return run;
    }
}
