using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>
/// A cluster over a data directory whose server is stopped: as a whole, with the old directory kept beside it, or as a delta that leaves
/// what is right and keeps the rest aside. Where the server is part of a recovery, a plan's own steps do it instead.
/// </summary>
public sealed partial class PostgresInPlaceDriver(InPlaceRestore restore, RestorePointCatalog points, RestorePointAccess access, TimeProvider time) : IRestoreDriver
{
    /// <summary>Stands for the run's name in a plan, which is made before there is a run.</summary>
    private const string NoRun = "RUN";

    /// <inheritdoc/>
    public string PlanKind => "postgres-in-place";

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is PgDataTarget { InPlace: not null };

    /// <inheritdoc/>
    /// <remarks>Of a stopped server only: while one runs, what the plan says would be untrue before anybody has read it.</remarks>
    public async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken)
    {
        var place = (PgDataTarget)target;
        var found = await restore.PlanAsync(Order(repository, manifest, place, NoRun), null, cancellationToken);
        if (found.RunningServer is { } server)
        {
            throw new EngineException("server-running", ErrorKind.Conflict, string.Create(CultureInfo.InvariantCulture, $"process {server} works in {place.Path}"),
                "Stop the server the way it is always stopped, then make the plan. Nothing was changed.");
        }

        string[] notes = [.. found.Notes, Line("stay as they are, since they are right", found.Kept), Line("are written", found.Fetched), Line($"are moved to {found.AsidePath}, and stay there", found.MovedAside)];
        return LogicalRestore.Plan(manifest, target, PlanKind, notes) with { Difference = DifferenceOf(place, notes) };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        LogicalRestore.RequireSame(work.Plan, work.ConfirmedHash, work.Manifest);
        var order = OrderOf(work);
        var hasBegun = Directory.Exists(order.AsidePath) || InPlaceRestore.IsFinished(order);
        if (!hasBegun && DifferenceOf(order.Target, work.Plan.Notes) != work.Plan.Difference)
        {
            throw new EngineException("target-drifted", ErrorKind.Conflict, $"a server has worked on {order.Target.Path} since the plan was made",
                "Look at the plan again and confirm it as it is now. Nothing was changed.");
        }

        var began = time.GetTimestamp();
        var result = await restore.ExecuteAsync(order, work.Progress, work.Log, cancellationToken);
        return new RestoreOutcome(
            work.Manifest.Bytes, result.Phases.Count == 0 ? null : time.GetElapsedTime(began).TotalSeconds,
            result.Warnings)
        {
            Notes = [$"what was there is kept in {result.AsidePath}; remove it when it is no longer needed"],
            Phases = result.Phases,
            LastTransaction = result.LastTransaction,
        };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        return InPlaceRestore.IsFinished(OrderOf(work)) ? await ExecuteAsync(work, cancellationToken) : null;
    }

    /// <inheritdoc/>
    /// <remarks>Of a delta it needs the tier: what was left in place may have been written to by then.</remarks>
    public async Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (PgDataTarget)RestoreTarget.Parse(plan.Target, "/");
        // The way back of a whole directory is two renames, which read nothing of the restore point.
        var bare = Order(null!, null!, target, NameOf(operation));
        if (InPlaceRestore.IsFinished(bare))
        {
            return $"the restore had finished, and stays; what was there is kept in {bare.AsidePath}";
        }

        if (target.InPlace == InPlaceForm.Aside)
        {
            return Text(await restore.UndoAsync(bare, null, null, cancellationToken));
        }

        if (!Directory.Exists(bare.AsidePath))
        {
            return null;
        }

        try
        {
            var point = await points.ResolveAsync(plan.RestorePointId, cancellationToken);
            var (_, repository) = await access.OpenAsync(point, null, cancellationToken);
            await using (repository)
            {
                return Text(await restore.UndoAsync(Order(repository, await repository.ReadManifestAsync(point.PointId, cancellationToken), target, NameOf(operation)), null, null, cancellationToken));
            }
        }
        catch (EngineException fault)
        {
            throw new EngineException(fault.Code, fault.Kind, $"{target.Path} is half made, and what was there is in {bare.AsidePath}: {fault.Message}", fault.Hint, fault);
        }

        static string? Text(InPlaceUndo undone) => undone.Changed ? undone.Text : null;
    }

    /// <summary>What is said, and the control file, which every server writes when it starts and when it stops.</summary>
    private static string DifferenceOf(PgDataTarget target, IEnumerable<string> notes)
    {
        var control = Path.Combine(target.Path, ClusterFiles.Control);
        return RestorePlan.DigestOf([.. notes, File.Exists(control) ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(control))) : "no control file"]);
    }

    private static string Line(string what, InPlaceAmount amount) => string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(amount.Files, "file")} with {amount.Bytes:N0} bytes {what}");

    private static InPlaceOrder OrderOf(RestoreWork work) => Order(work.Repository, work.Manifest, (PgDataTarget)RestoreTarget.Parse(work.Plan.Target, "/"), NameOf(work.Operation));

    private static InPlaceOrder Order(BackupRepository repository, Manifest manifest, PgDataTarget target, string run) => new(repository, manifest, target, target.InPlace!.Value, run);

    /// <summary>The operation, fit for a file's name.</summary>
    private static string NameOf(string operation) => Unfit().Replace(operation, "-");

    [GeneratedRegex("[^A-Za-z0-9._-]+")]
    private static partial Regex Unfit();
}
