using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Rescue;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation.Drills;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Validation.Rescue;

/// <summary>What a person may decide when the difference is shown.</summary>
public static class RescueDecisions
{
    /// <summary>Copy the whole table into a side table.</summary>
    public const string CopyAll = "copy_all";

    /// <summary>Copy only the rows that the living table lacks.</summary>
    public const string CopyMissing = "copy_missing";

    /// <summary>Copy nothing.</summary>
    public const string Discard = "discard";
}

/// <summary>What is shown while the run waits; its step's intent holds it.</summary>
/// <param name="Difference">The table then beside the table now.</param>
/// <param name="SideTable">The table that a copy would go to, <c>schema.name</c>.</param>
/// <param name="ExpiresAt">When the copy is given up where nobody decides.</param>
public sealed record RescueOffer(TableDifference Difference, string SideTable, DateTimeOffset ExpiresAt);

/// <summary>What a rescue ends with.</summary>
/// <param name="Difference">What was shown; null where an interrupted attempt had made the copy.</param>
/// <param name="Outcome">A decision, or <c>expired</c>.</param>
/// <param name="SideTable">Where the rows are; null where none were copied.</param>
/// <param name="Rows">How many were copied.</param>
public sealed record TableRescueResult(TableDifference? Difference, string Outcome, string? SideTable, long Rows);

/// <summary>
/// Recovers a source to a moment in scratch, shows how one table differs from the living one, keeps the copy until a person
/// decides or half an hour has passed, and copies into a table beside the original. After a crash it begins again at the same
/// moment, unless its side table is there: then it was done.
/// </summary>
public sealed class TableRescueRun(
    RecoverableWindows windows, RestorePointCatalog points, RestorePointAccess access, TierRepositories tiers, RescueCatalog rescues, ValidationOptions options, ProcessRegistry registry,
    TimeProvider time, ProtectedEstate estate) : IRunHandler
{
    /// <summary>How long a copy is kept for a decision.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private const string Expired = "expired";

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public string Kind => RunKinds.TableRescue;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<TableRescueRequest>();
        var source = estate.SourceNamed(request.Source);
        var chosen = await context.StepAsync("choose", async step =>
        {
            var moment = request.Moment is { } asked
                ? DrillMoment.Choose(await windows.ReadForAsync(source, asked, context.Cancellation) ?? throw NoWindow(source), asked)
                : await ChoosePointAsync(request.RestorePoint!, context.Cancellation);
            step.OnCommit(transaction => transaction.Command("UPDATE run SET restore_point = $2 WHERE id = $1", context.Run.Id.Value, moment.RestorePoint).RunAsync(CancellationToken.None));
            return moment;
        });
        var (schema, table) = SqlName.ParseTable(request.Table);
        var side = SideTable.NameOf(table, context.Run.CreatedAt);
        return await context.StepAsync("rescue",
            step => RescueAsync(context, step, source, request, chosen, side),
            async _ => await SideTable.FindAsync(LiveOf(source), schema, side, RestoreRun.OperationOf(context.Run), context.Cancellation) is { } rows
                ? new StepProbe<TableRescueResult>.Done(new TableRescueResult(null, RescueDecisions.CopyAll, $"{schema}.{side}", rows))
                : new StepProbe<TableRescueResult>.NotDone());
    }

    private async Task<TableRescueResult> RescueAsync(RunContext context, StepHandle step, Source source, TableRescueRequest request, DrillMoment chosen, string side)
    {
        await using var copy = await OpenAsync(context, source, request, chosen);
        var live = LiveOf(source);
        var compared = await CompareAsync(context, copy, live, request.Table);
        var offer = new RescueOffer(compared.Difference, $"{compared.Then.Schema}.{side}", time.GetUtcNow() + Patience);
        await step.RecordIntentAsync(offer);
        context.Log("compare", Text(compared.Difference));
        var decision = request.Decision ?? await WaitAsync(context, offer.ExpiresAt);
        context.Log("decide", decision);
        if (decision is not (RescueDecisions.CopyAll or RescueDecisions.CopyMissing))
        {
            return new TableRescueResult(compared.Difference, decision, null, 0);
        }

        var rows = await new SideTable(compared.Past, live, compared.Then, compared.By, side, RestoreRun.OperationOf(context.Run))
            .FillAsync(decision == RescueDecisions.CopyMissing, context.Progress, context.Cancellation);
        context.Log("copy", $"{Counted.Of(rows, "row")} in {offer.SideTable}");
        return new TableRescueResult(compared.Difference, decision, offer.SideTable, rows);
    }

    private static async Task<Compared> CompareAsync(RunContext context, RescueCopy copy, PostgresSource live, string name)
    {
        var (schema, table) = SqlName.ParseTable(name);
        try
        {
            var (past, reader) = (await copy.ConnectAsync(context.Cancellation), await copy.ConnectAsync(context.Cancellation));
            var then = await TableShape.ReadAsync(past, schema, table, context.Cancellation) ?? throw new EngineException(
                "table-missing", ErrorKind.NotFound, $"there was no table {schema}.{table} at that moment", "look at its spelling and its schema, or choose another moment");
            await using var now = await live.OpenAsync(context.Cancellation);
            await ContentFactsReader.PinAsync(now, context.Cancellation);
            var comparer = new TableComparer(past, reader, now);
            context.Log("compare", $"{then.FullName} then with {live.Address} now");
            var difference = await comparer.CompareAsync(then, await TableShape.ReadAsync(now, schema, table, context.Cancellation), context.Progress, context.Cancellation);
            return new Compared(past, then, comparer.ComparedBy, difference);
        }
        catch (NpgsqlException fault)
        {
            throw PostgresFault.From(fault, live);
        }
    }

    /// <summary>Looks for a decision once a second. The lease is kept meanwhile, and a cancel ends the wait and the copy.</summary>
    private async Task<string> WaitAsync(RunContext context, DateTimeOffset until)
    {
        context.Log("decide", $"waiting until {until.UtcDateTime:HH:mm:ss} UTC for a decision: copy all, copy what is missing, or nothing");
        while (time.GetUtcNow() < until)
        {
            if (await rescues.DecisionAsync(context.Run.Id.Value, context.Cancellation) is { } decision)
            {
                return decision;
            }

            await Task.Delay(s_look, time, context.Cancellation);
        }

        return Expired;
    }

    private async Task<DrillMoment> ChoosePointAsync(string id, CancellationToken ct)
    {
        var point = await points.ResolveAsync(id, ct);
        var (tier, repository) = await access.OpenAsync(point, null, ct);
        await using (repository)
        {
            return new DrillMoment(point.CreatedAt, point.Id, tier.Name);
        }
    }

    private async Task<RescueCopy> OpenAsync(RunContext context, Source source, TableRescueRequest request, DrillMoment chosen)
    {
        await using var repository = await tiers.OpenAsync(estate.TierNamed(chosen.Tier), source.Workspace, context.Cancellation);
        var manifest = await repository.ReadManifestAsync(new RestorePointId(chosen.RestorePoint), context.Cancellation);
        if (request.Moment is null)
        {
            var check = new RestorabilityCheck(options, registry, time, PostgresBinaries.FindClients());
            var restored = await check.OpenCopyAsync(repository, manifest, context.Progress, context.Log, context.Cancellation);
            return new RescueCopy(restored, restored, RestorabilityCheck.RestoredName);
        }

        try
        {
            var proof = new PointInTimeProof(options, registry, time, repository, source.Postgres!.Database, context.Progress, context.Log);
            var recovered = await proof.RecoverAsync(manifest, chosen, context.Cancellation);
            return new RescueCopy(recovered.Server, recovered, source.Postgres.Database);
        }
        catch (DrillNotProvableException why)
        {
            throw new EngineException("scratch-not-possible", ErrorKind.Unsupported, why.Message, "install that PostgreSQL, or run the console where a server can be kept apart", why);
        }
    }

    private sealed record Compared(NpgsqlConnection Past, TableShape Then, IReadOnlyList<string> By, TableDifference Difference);

    private static string Text(TableDifference difference) => difference.IsEqual
        ? $"{difference.Table} is today what it was: {Counted.Of(difference.PastRows, "row")}"
        : $"{difference.Table}: {difference.PastRows:N0} rows then, {(difference.IsLive ? $"{difference.LiveRows:N0} now" : "the table is gone now")}; "
            + $"{difference.OnlyPast:N0} only then, {difference.OnlyLive:N0} only now, {difference.Changed:N0} changed";

    private static PostgresSource LiveOf(Source source) => new()
    {
        Host = source.Postgres!.Host, Port = source.Postgres.Port, Database = source.Postgres.Database, Username = source.Postgres.Username, PasswordFile = source.Postgres.PasswordFile,
    };

    private static EngineException NoWindow(Source source) => new("no-wal", ErrorKind.Unsupported, $"{source.Name} has no physical backups", "set Postgres:Mode to physical or both");
}
