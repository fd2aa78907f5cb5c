using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>Whether a service does its work: a query of PostgreSQL that is out of recovery, a Redis that has loaded its data.</summary>
internal static class ServiceAnswer
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);

    /// <summary>What is asked, one line; null of a target that has no address to be asked at.</summary>
    public static string? TextOf(RecoveryTarget target) => target switch
    {
        { Host: "" } => null,
        { Redis: not null } => string.Create(CultureInfo.InvariantCulture, $"wait until {target.Host}:{target.Port} answers and has loaded its data"),
        _ => string.Create(CultureInfo.InvariantCulture, $"wait until {target.Host}:{target.Port}/{target.Database} answers a query of {target.Username}"),
    };

    /// <summary>What it says.</summary>
    /// <exception cref="EngineException">It does not answer, or not yet.</exception>
    public static Task<string> AskAsync(RecoveryTarget target, CancellationToken cancellationToken) => target switch
    {
        { Host: "" } => Task.FromResult("the service runs"),
        { Redis: { } redis } => OfRedisAsync(redis, cancellationToken),
        _ => OfPostgresAsync(target, cancellationToken),
    };

    /// <summary>Asks until it answers, or the step's time is over.</summary>
    public static async Task<string> WaitAsync(ActionContext context, TimeProvider time)
    {
        var last = "";
        while (true)
        {
            try
            {
                var answer = await AskAsync(context.Target, context.Cancellation);
                context.Waits(null);
                return answer;
            }
            catch (EngineException fault)
            {
                context.Waits(fault.Message);
                if (fault.Message != last)
                {
                    context.Log($"not yet: {last = fault.Message}");
                }

                await Task.Delay(s_poll, time, context.Cancellation);
            }
        }
    }

    /// <summary>Its answer, then those of the operators' own checks; the first that fails ends it.</summary>
    public static async Task<StepVerification> VerifyAsync(ActionContext context, OperatorChecks checks, Func<OperatorCheck, bool> which, TimeProvider time)
    {
        var found = new List<string> { await AskAsync(context.Target, context.Cancellation) };
        foreach (var check in context.Target.Checks.Where(which))
        {
            var (passed, text) = await checks.AskWarmingAsync(check, context, time);
            if (!passed)
            {
                return new StepVerification(false, text);
            }

            found.Add(text);
        }

        return new StepVerification(true, string.Join("; ", found));
    }

    private static async Task<string> OfRedisAsync(RedisSettings redis, CancellationToken cancellationToken)
    {
        var endpoint = RedisBackup.EndpointOf(redis);
        await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
        var info = await RedisServerInfo.ReadAsync(connection, cancellationToken);
        return info.IsLoading
            ? throw new EngineException("service-loading", ErrorKind.Unavailable, $"{endpoint.Address} is loading its data, {info.Text("loading_loaded_perc")} % done", "wait for it")
            : string.Create(CultureInfo.InvariantCulture, $"{endpoint.Address} answers with {info.Keys} keys; those whose time was over are gone");
    }

    private static async Task<string> OfPostgresAsync(RecoveryTarget target, CancellationToken cancellationToken)
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
