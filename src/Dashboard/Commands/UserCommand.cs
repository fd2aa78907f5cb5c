using System.CommandLine;
using System.Security.Cryptography;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole user …</c>: who may sign in. Passwords come from a file or are made at random, never from argv.</summary>
internal static class UserCommand
{
    public static Command Create()
    {
        var options = new ConsoleOptions();
        return new Command("user", "who may sign in") { List(options), Add(options), Set(options) };
    }

    private static Command List(ConsoleOptions options)
    {
        var command = new Command("list", "everybody and their roles");
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.SetAction((parsed, stopping) => WithUsersAsync(parsed, options, async users =>
        {
            var all = await users.ListAsync(stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(all.Select(user => new { user.Name, Role = user.Role.ToString(), user.IsDisabled, user.LockedUntil }));
                return;
            }

            foreach (var user in all)
            {
                Console.WriteLine($"{user.Name,-24} {user.Role,-10} {(user.IsDisabled ? "disabled" : "")}");
            }
        }, stopping));
        return command;
    }

    private static Command Add(ConsoleOptions options)
    {
        var name = new Argument<string>("NAME") { Description = "lower-case letters, digits, '.', '_', '-' and '@'" };
        var role = new Option<ConsoleRole>("--role") { Description = "Viewer, Operator, Approver or Admin", Required = true };
        var file = PasswordFileOption();
        var command = new Command("add", "add a user") { name, role, file };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => WithUsersAsync(parsed, options, async users =>
        {
            var wanted = ConsoleUser.Normalize(parsed.GetValue(name)!);
            if (wanted.Length is 0 or > 64 || !wanted.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || ".@_-".Contains(letter, StringComparison.Ordinal)) || !char.IsAsciiLetterOrDigit(wanted[0]))
            {
                throw new EngineException("user-name", ErrorKind.Input, $"'{wanted}' is not a user's name", "Use up to 64 lower-case letters, digits, '.', '_', '-' and '@'.");
            }

            var (password, isMade) = Password(parsed.GetValue(file));
            if (!await users.AddAsync(wanted, new PasswordHasher(PasswordCost.Default).Hash(password), parsed.GetValue(role), SourceCommands.Actor, stopping))
            {
                throw new EngineException("user-exists", ErrorKind.Conflict, $"there is a user {wanted} already", "Change it with: drconsole user set");
            }

            Console.Error.WriteLine($"Added {wanted} as {parsed.GetValue(role)}.");
            PrintMade(password, isMade);
        }, stopping));
        return command;
    }

    private static Command Set(ConsoleOptions options)
    {
        var name = new Argument<string>("NAME");
        var role = new Option<ConsoleRole?>("--role") { Description = "a new role" };
        var disable = new Option<bool>("--disable") { Description = "end its sessions and refuse new ones" };
        var enable = new Option<bool>("--enable") { Description = "allow it again" };
        var reset = new Option<bool>("--new-password") { Description = "make a new random password and print it" };
        var file = PasswordFileOption();
        var command = new Command("set", "change a user; also ends a lock-out") { name, role, disable, enable, reset, file };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => WithUsersAsync(parsed, options, async users =>
        {
            var path = parsed.GetValue(file);
            var (password, isMade) = path is null && !parsed.GetValue(reset) ? (null, false) : Password(path);
            bool? disabled = parsed.GetValue(disable) ? true : parsed.GetValue(enable) ? false : null;
            var hash = password is null ? null : new PasswordHasher(PasswordCost.Default).Hash(password);
            var wanted = ConsoleUser.Normalize(parsed.GetValue(name)!);
            if (!await users.ChangeAsync(wanted, hash, parsed.GetValue(role), disabled, SourceCommands.Actor, stopping))
            {
                throw new EngineException("user-unknown", ErrorKind.NotFound, $"there is no user {wanted}", "List them with: drconsole user list");
            }

            Console.Error.WriteLine($"Changed {wanted}.");
            PrintMade(password, isMade);
        }, stopping));
        return command;
    }

    private static Option<string?> PasswordFileOption() => new("--password-file")
    {
        Description = "a file whose first line is the password; without it one is made and printed",
        HelpName = "FILE",
    };

    private static (string Password, bool IsMade) Password(string? file)
    {
        if (file is null)
        {
            return (RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 20), true);
        }

        if (!File.Exists(file))
        {
            throw new EngineException("password-file", ErrorKind.NotFound, $"there is no file {file}", "Write the password into it as its first line.");
        }

        var first = File.ReadLines(file).FirstOrDefault("");
        return first.Length >= 10 ? (first, false) : throw new EngineException("password-short", ErrorKind.Input, "the password has fewer than 10 characters", "Choose a longer one.");
    }

    private static void PrintMade(string? password, bool isMade)
    {
        if (isMade)
        {
            Console.WriteLine(password);
        }
    }

    private static Task<int> WithUsersAsync(ParseResult parsed, ConsoleOptions options, Func<CatalogUserDirectory, Task> act, CancellationToken stopping) =>
        CommandRunner.OnCatalogAsync(parsed, options, pool => act(new CatalogUserDirectory(pool)), stopping);
}
