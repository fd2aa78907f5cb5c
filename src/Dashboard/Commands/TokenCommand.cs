using System.CommandLine;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole token …</c>: which programs may use the API. A token is printed once, and only its digest is kept.</summary>
internal static class TokenCommand
{
    public static Command Create()
    {
        var options = new ConsoleOptions();
        return new Command("token", "which programs may use the API") { List(options), Add(options), Revoke(options) };
    }

    private static Command List(ConsoleOptions options)
    {
        var command = new Command("list", "all tokens, their roles and when they were last used");
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.SetAction((parsed, stopping) => WithTokensAsync(parsed, options, async tokens =>
        {
            var all = await tokens.ListAsync(stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(all.Select(token => new { token.Name, Role = token.Role.ToString(), token.CreatedBy, token.CreatedAt, token.LastUsedAt, token.RevokedAt }));
                return;
            }

            foreach (var token in all)
            {
                Console.WriteLine(FormattableString.Invariant($"{token.Name,-24} {token.Role,-10} {(token.RevokedAt is { } at ? $"revoked {at:u}" : token.LastUsedAt is { } used ? $"last used {used:u}" : "never used")}"));
            }
        }, stopping));
        return command;
    }

    private static Command Add(ConsoleOptions options)
    {
        var name = new Argument<string>("NAME") { Description = "lower-case letters, digits, '.', '_' and '-'" };
        var role = new Option<ConsoleRole>("--role") { Description = "Viewer, Operator, Approver or Admin", Required = true };
        var command = new Command("add", "make a token and print it, once") { name, role };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => WithTokensAsync(parsed, options, async tokens =>
        {
            var wanted = parsed.GetValue(name)!;
            if (!ApiTokens.IsName(wanted))
            {
                throw new EngineException("token-name", ErrorKind.Input, $"'{wanted}' is not a token's name", "Use up to 63 lower-case letters, digits, '.', '_' and '-'.");
            }

            var token = await tokens.AddAsync(wanted, parsed.GetValue(role), SourceCommands.Actor, stopping)
                ?? throw new EngineException("token-exists", ErrorKind.Conflict, $"there is, or was, a token {wanted}", "Choose another name: the audit names tokens by it.");
            Console.Error.WriteLine($"Made the token {wanted} with the role {parsed.GetValue(role)}. It is shown this once.");
            Console.WriteLine(token);
        }, stopping));
        return command;
    }

    private static Command Revoke(ConsoleOptions options)
    {
        var name = new Argument<string>("NAME");
        var command = new Command("revoke", "end a token at once") { name };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => WithTokensAsync(parsed, options, async tokens =>
        {
            var wanted = parsed.GetValue(name)!;
            if (!await tokens.RevokeAsync(wanted, SourceCommands.Actor, stopping))
            {
                throw new EngineException("token-unknown", ErrorKind.NotFound, $"there is no token {wanted} that holds", "List them with: drconsole token list");
            }

            Console.Error.WriteLine($"Revoked {wanted}.");
        }, stopping));
        return command;
    }

    private static Task<int> WithTokensAsync(ParseResult parsed, ConsoleOptions options, Func<ApiTokens, Task> act, CancellationToken stopping) =>
        CommandRunner.OnCatalogAsync(parsed, options, pool => act(new ApiTokens(pool)), stopping);
}
