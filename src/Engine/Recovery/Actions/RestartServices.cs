using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Starts the service as it was started before, and waits behind a health gate: of PostgreSQL a query answers and it is out of
/// recovery, of Redis it has loaded its data; then the operators' HTTP and script checks. Undone by stopping it.
/// </summary>
public sealed class RestartServices(ServiceControls controls, OperatorChecks checks, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "restart_services";

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public bool ActsOn(RecoveryTarget target) => target.Service is not null;

    public string? WhyNotOn(RecoveryTarget scratch) =>
        scratch?.Proof is null ? null : $"what lives would be started; {RestoreInPlace.ActionName} starts what its scratch place needs, and compares what it holds";

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
    [
        controls.For(target).StartText,
        .. target switch
        {
            { Host: "" } => Array.Empty<string>(),
            { Redis: not null } => [string.Create(CultureInfo.InvariantCulture, $"wait until {target.Host}:{target.Port} answers and has loaded its data")],
            _ => [string.Create(CultureInfo.InvariantCulture, $"wait until {target.Host}:{target.Port}/{target.Database} answers a query of {target.Username}")],
        },
        .. target.Checks.Where(check => check.Sql is null).Select(check => $"check '{check.Name}': {OperatorChecks.Text(check)}"),
    ];

    public Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken) => controls.For(target).LookAsync(cancellationToken);

    public async Task<JsonElement> CaptureAsync(ActionContext context) =>
        ActionContext.Data(new ServiceSnapshot(await controls.For(context.Target, context.Scratch).IsRunningAsync(context.Cancellation), []));

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        var options = context.SnapshotOf<ServiceSnapshot>(StopDatabaseService.ActionName)?.Options ?? [];
        await controls.For(context.Target, context.Scratch).StartAsync(options, context.Log, context.Cancellation);
        var began = time.GetTimestamp();
        await WaitForAnswerAsync(context);
        return new StepEffect(string.Create(CultureInfo.InvariantCulture, $"the service answers, {time.GetElapsedTime(began).TotalSeconds:0.0} s after its start"));
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        var found = new List<string> { await AnswerAsync(context.Target, context.Cancellation) };
        foreach (var check in context.Target.Checks.Where(check => check.Sql is null))
        {
            var (passed, text) = await checks.AskAsync(check, context.Target, context.Cancellation);
            if (!passed)
            {
                return new StepVerification(false, text);
            }

            found.Add(text);
        }

        return new StepVerification(true, string.Join("; ", found));
    }

    public async Task<string> RollBackAsync(ActionContext context)
    {
        await controls.For(context.Target, context.Scratch).StopAsync(context.Log, context.Cancellation);
        return "the service is stopped again";
    }

    private async Task WaitForAnswerAsync(ActionContext context)
    {
        var last = "";
        while (true)
        {
            try
            {
                await AnswerAsync(context.Target, context.Cancellation);
                return;
            }
            catch (EngineException fault)
            {
                if (fault.Message != last)
                {
                    context.Log($"not yet: {last = fault.Message}");
                }

                await Task.Delay(s_poll, time, context.Cancellation);
            }
        }
    }

    private static Task<string> AnswerAsync(RecoveryTarget target, CancellationToken cancellationToken) => target switch
    {
        { Host: "" } => Task.FromResult("the service runs"),
        { Redis: { } redis } => AnswerOfRedisAsync(redis, cancellationToken),
        _ => AnswerOfPostgresAsync(target, cancellationToken),
    };

    private static async Task<string> AnswerOfRedisAsync(RedisSettings redis, CancellationToken cancellationToken)
    {
        var endpoint = RedisBackup.EndpointOf(redis);
        await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
        var info = await RedisServerInfo.ReadAsync(connection, cancellationToken);
        return info.IsLoading
            ? throw new EngineException("service-loading", ErrorKind.Unavailable, $"{endpoint.Address} is loading its data, {info.Text("loading_loaded_perc")} % done", "wait for it")
            : string.Create(CultureInfo.InvariantCulture, $"{endpoint.Address} answers with {info.Keys} keys; those whose time was over are gone");
    }

    private static async Task<string> AnswerOfPostgresAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        var source = new PostgresSource { Host = target.Host, Port = target.Port, Database = target.Database, Username = target.Username, PasswordFile = target.PasswordFile };
        await using var connection = await source.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand("SELECT pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint()", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetBoolean(0)
            ? throw new EngineException("service-in-recovery", ErrorKind.Unavailable, $"{source.Address} is still in recovery", "wait for it")
            : string.Create(CultureInfo.InvariantCulture, $"{source.Address} answers, on timeline {reader.GetInt32(1)}");
    }
}
