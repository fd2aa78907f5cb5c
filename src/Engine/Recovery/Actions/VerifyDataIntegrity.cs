using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Looks into the recovered cluster before anybody can connect to it: every page's checksum, then every table and index by
/// pg_amcheck and the operators' SQL checks on a server that only this process reaches.
/// </summary>
public sealed class VerifyDataIntegrity(RestorePointCatalog points, RestorePointAccess access, ProcessRegistry registry, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "verify_data_integrity";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.ChangesNothing;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
    [
        $"pg_checksums of every page below {target.DataDirectory}, where the cluster has checksums",
        "pg_amcheck of every table and index of every database, on a server without a network",
        .. IsAtPoint(basis) ? ["rows and digest of every table that the restore point has facts of, compared on that server"] : Array.Empty<string>(),
        .. target.Checks.Where(check => check.Sql is not null).Select(check => $"check '{check.Name}': {check.Sql}{(check.Expected is { } value ? $" must give {value}" : "")}"),
    ];

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { }));

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        var (facts, content) = await ReadFactsAsync(context);
        var binaries = PostgresBinaries.Find(facts.ServerMajor);
        var found = new List<string>();
        var faults = new List<string>();
        if (facts.HasChecksums)
        {
            await LookAtPagesAsync(context, binaries, found, faults);
        }

        await LookInsideAsync(context, facts, content, binaries, found, faults);
        var text = faults.Count == 0 ? string.Join("; ", found) : string.Join("; ", faults);
        return new StepEffect(text, ActionContext.Data(new StepVerification(faults.Count == 0, text)));
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    /// <summary>What <see cref="ActAsync"/> found is the verification.</summary>
    public Task<StepVerification> VerifyAsync(ActionContext context) =>
        Task.FromResult(context.Effect!.Value.Deserialize<StepVerification>(JsonSerializerOptions.Web)!);

    public Task<string> RollBackAsync(ActionContext context) => Task.FromResult("it changed nothing");

    /// <summary>The facts are of the place where a backup's own WAL ends; a moment that was recovered to by further WAL has none.</summary>
    private static bool IsAtPoint(RecoveryBasis basis) => basis is { Moment: null, ToEnd: false };

    /// <summary>What is known of the cluster, and of the content where it was recovered to; null where nothing is.</summary>
    private async Task<(ClusterFacts Cluster, ContentFacts? Content)> ReadFactsAsync(ActionContext context)
    {
        var point = await points.ResolveAsync(context.Plan.Basis.RestorePoint, context.Cancellation);
        var (_, repository) = await access.OpenAsync(point, null, context.Cancellation);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
            var cluster = await ClusterFacts.ReadAsync(repository, manifest, context.Cancellation);
            return (cluster, cluster.IsContentAtEnd && IsAtPoint(context.Plan.Basis) ? await LogicalBackup.ReadFactsAsync(repository, manifest, context.Cancellation) : null);
        }
    }

    private async Task LookAtPagesAsync(ActionContext context, PostgresBinaries binaries, List<string> found, List<string> faults)
    {
        context.Log("pg_checksums: every page");
        var result = await ToolProcess.RunAsync(
            new ToolCommand(binaries.PathOf("pg_checksums"), ["--check", "-D", context.Target.DataDirectory])
            {
                RunAs = context.Servers.User,
                Environment = new Dictionary<string, string> { ["LC_MESSAGES"] = "C" },
            },
            registry, context.Cancellation);
        if (result.ExitCode == 0)
        {
            found.Add("all page checksums are right");
        }
        else
        {
            faults.Add($"pg_checksums: {(result.ErrorTail + result.Output).Trim()}");
        }
    }

    private async Task LookInsideAsync(ActionContext context, ClusterFacts facts, ContentFacts? content, PostgresBinaries binaries, List<string> found, List<string> faults)
    {
        var name = $"verify-{context.Tag}";
        var folder = $"{context.Target.DataDirectory}.{name}";
        await RecoveryWork.RemoveAsync(registry, name, folder, context.Cancellation);
        registry.Write(registry.NewRecord(name, "verification of a recovered cluster", Afterlife.Ended, folder, isServer: true));
        LocalFolder.CreatePrivate(folder, context.Servers.User);
        try
        {
            await using var server = await RecoveredServer.ReplayAsync(
                name, folder, context.Target.DataDirectory, facts, new Dictionary<string, string>(), binaries, context.Servers, registry, time, context.Cancellation);
            context.Log("pg_amcheck: every table and every index");
            if (await server.AmcheckAsync(context.Cancellation) is { } damage)
            {
                faults.Add($"pg_amcheck: {damage}");
            }
            else
            {
                found.Add("pg_amcheck found nothing");
            }

            if (content is not null && faults.Count == 0)
            {
                await CompareAsync(server, content, context, found, faults);
            }

            foreach (var check in context.Target.Checks.Where(check => check.Sql is not null))
            {
                await AskAsync(server, check, context, found, faults);
            }

            await server.ShutDownAsync(context.Cancellation);
        }
        finally
        {
            await RecoveryWork.RemoveAsync(registry, name, folder, CancellationToken.None);
        }
    }

    private static async Task CompareAsync(RecoveredServer server, ContentFacts content, ActionContext context, List<string> found, List<string> faults)
    {
        context.Log("rows and digests: every table");
        try
        {
            var comparison = await server.CompareAsync(content, context.Cancellation);
            // pg_amcheck needs its extension, and puts it where it is missing.
            var different = comparison.Faults.Where(fault => fault is not { Kind: "extension", Name: "amcheck", Outcome: FactOutcome.Extra }).ToList();
            (different.Count == 0 ? found : faults).Add(different.Count == 0
                ? string.Create(CultureInfo.InvariantCulture, $"{comparison.EqualCount} compared items are as in the restore point, with {content.Rows} rows in {content.Tables.Count} tables")
                : $"the content is not the restore point's: {string.Join("; ", different.Take(5).Select(fault => fault.ToText()))}");
        }
        catch (Npgsql.PostgresException refusal)
        {
            faults.Add($"the content cannot be read: {refusal.MessageText}");
        }
    }

    private static async Task AskAsync(RecoveredServer server, OperatorCheck check, ActionContext context, List<string> found, List<string> faults)
    {
        context.Log($"check '{check.Name}'");
        try
        {
            var (passed, text) = OperatorChecks.JudgeOf(check, await server.ScalarAsync(check.Sql!, context.Cancellation, context.Target.Database));
            (passed ? found : faults).Add(text);
        }
        catch (Npgsql.PostgresException refusal)
        {
            faults.Add($"check '{check.Name}': {refusal.MessageText}");
        }
    }
}
