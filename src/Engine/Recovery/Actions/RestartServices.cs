using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Starts the service as it was started before, and waits behind a health gate: it takes connections, a query answers, and it is
/// out of recovery; then the operators' HTTP and script checks. Undone by stopping it.
/// </summary>
public sealed class RestartServices(ServiceControls controls, OperatorChecks checks, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "restart_services";

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
    [
        $"{controls.For(target).StartText}, with the options that it ran with",
        string.Create(CultureInfo.InvariantCulture, $"wait until {target.Host}:{target.Port}/{target.Database} answers a query of {target.Username}"),
        .. target.Checks.Where(check => check.Sql is null).Select(check => $"check '{check.Name}': {OperatorChecks.Text(check)}"),
    ];

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

    private static async Task<string> AnswerAsync(RecoveryTarget target, CancellationToken cancellationToken)
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
