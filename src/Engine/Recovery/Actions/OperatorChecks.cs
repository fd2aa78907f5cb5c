using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>Asks what operators want to know of a service from outside: HTTP, queries and scripts.</summary>
public sealed class OperatorChecks(HttpClient http, ProcessRegistry registry)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>So long an application may take to find its way back to a service that has just started.</summary>
    internal TimeSpan Warming { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The check in words, without its name.</summary>
    public static string Text(OperatorCheck check)
    {
        ArgumentNullException.ThrowIfNull(check);
        return check.Http is { } address ? $"GET {address} must answer {check.Expected ?? "200"}"
            : check.Command is { } words ? $"run {string.Join(' ', words)}"
            : check.Sql ?? "";
    }

    /// <summary>Whether the check says yes, and what it said.</summary>
    /// <param name="check">The check.</param>
    /// <param name="target">The server that it is about: a command's words name its address by <c>{host}</c>, <c>{port}</c>, <c>{database}</c> and <c>{user}</c>.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<(bool Passed, string Text)> AskAsync(OperatorCheck check, RecoveryTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(check);
        ArgumentNullException.ThrowIfNull(target);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            return check.Http is { } address ? await GetAsync(check, address, patience.Token)
                : check.Sql is { } query ? await QueryAsync(check, query, target, patience.Token)
                : await RunAsync(check, [.. check.Command!.Select(word => Addressed(word, target))], patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (false, $"check '{check.Name}' did not answer within {s_patience.TotalSeconds:0} s");
        }
    }

    /// <summary>The same as a part of a step, which says that it waited for this where its time ends over it.</summary>
    public async Task<(bool Passed, string Text)> AskAsync(OperatorCheck check, ActionContext context)
    {
        ArgumentNullException.ThrowIfNull(check);
        ArgumentNullException.ThrowIfNull(context);
        return await AskAsync(check, context, $"check '{check.Name}' has not answered");
    }

    /// <param name="before">What is known of it while it does not answer.</param>
    private async Task<(bool Passed, string Text)> AskAsync(OperatorCheck check, ActionContext context, string before)
    {
        context.Waits(before);
        var (passed, text) = await AskAsync(check, context.Target, context.Cancellation);
        context.Waits(passed ? null : text);
        return (passed, text);
    }

    /// <summary>
    /// As <see cref="AskAsync(OperatorCheck, ActionContext)"/>, of what has just started: what asks from outside, by HTTP or a command, is
    /// asked again while it says no. A query reads what is stored, which no waiting changes.
    /// </summary>
    public async Task<(bool Passed, string Text)> AskWarmingAsync(OperatorCheck check, ActionContext context, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(check);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(time);
        var (began, last) = (time.GetTimestamp(), "");
        while (true)
        {
            var (passed, text) = last.Length == 0 ? await AskAsync(check, context) : await AskAsync(check, context, last);
            if (passed || check.Sql is not null || time.GetElapsedTime(began) > Warming)
            {
                return (passed, text);
            }

            if (text != last)
            {
                context.Log($"not yet: {last = text}");
            }

            await Task.Delay(s_pause, time, context.Cancellation);
        }
    }

    private static string Addressed(string word, RecoveryTarget target) => word
        .Replace("{host}", target.Host, StringComparison.Ordinal)
        .Replace("{port}", target.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{database}", target.Database, StringComparison.Ordinal)
        .Replace("{user}", target.Username, StringComparison.Ordinal);

    private async Task<(bool, string)> GetAsync(OperatorCheck check, string address, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri(address), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            var status = ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
            return (status == (check.Expected ?? "200"), $"check '{check.Name}': {address} answered {status}");
        }
        catch (HttpRequestException fault)
        {
            return (false, $"check '{check.Name}': {address}: {fault.Message}");
        }
    }

    /// <summary>Of a server that serves: the query may read, and change nothing.</summary>
    private static async Task<(bool, string)> QueryAsync(OperatorCheck check, string query, RecoveryTarget target, CancellationToken cancellationToken)
    {
        var source = new PostgresSource { Host = target.Host, Port = target.Port, Database = target.Database, Username = target.Username, PasswordFile = target.PasswordFile };
        try
        {
            await using var connection = await source.OpenAsync(cancellationToken);
            await new NpgsqlCommand("SET default_transaction_read_only = on", connection).RunAsync(cancellationToken);
            await using var command = new NpgsqlCommand(query, connection);
            return JudgeOf(check, await command.ExecuteScalarAsync(cancellationToken));
        }
        catch (PostgresException fault)
        {
            return (false, $"check '{check.Name}': {fault.MessageText}");
        }
    }

    /// <summary>Whether a query's value is the expected one.</summary>
    internal static (bool Passed, string Text) JudgeOf(OperatorCheck check, object? found)
    {
        var value = Convert.ToString(found, CultureInfo.InvariantCulture) ?? "";
        var passed = check.Expected is not { } expected || value == expected;
        return (passed, $"check '{check.Name}' gave {value}{(passed ? "" : $", expected was {check.Expected}")}");
    }

    private async Task<(bool, string)> RunAsync(OperatorCheck check, IReadOnlyList<string> words, CancellationToken cancellationToken)
    {
        var result = await ToolProcess.RunAsync(new ToolCommand(words[0], [.. words.Skip(1)]) { Purpose = $"check '{check.Name}'" }, registry, cancellationToken);
        return (result.ExitCode == 0, $"check '{check.Name}' ended with {result.ExitCode}{(result.ExitCode == 0 ? "" : $": {result.ErrorTail}")}");
    }
}
