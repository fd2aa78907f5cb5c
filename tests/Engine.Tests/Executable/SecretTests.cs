using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>No secret is where other users, or a reader of logs, could see it.</summary>
public sealed class SecretTests(PostgresLab lab, ConsoleSeed seed)
{
    private static readonly string[] Watched = ["postgres", "pg_dump", "pg_dumpall", "pg_restore", "initdb"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Secrets_are_in_no_argument_environment_log_or_record()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var record = estate.Combine("seen");
        await File.WriteAllTextAsync(record, "", Ct);
        File.SetUnixFileMode(record, (UnixFileMode)0b110_110_110);
        var programs = await WatchAsync(estate, record);

        string said;
        await using (var console = await estate.ServeAsync(new Dictionary<string, string> { [PostgresBinaries.FolderVariable] = programs, ["PGPASSWORD"] = "from the console's environment" }))
        {
            var backup = (await estate.RunAsync("backup", ConsoleEstate.Source, "--json")).AssertDone();
            var validate = (await estate.RunAsync("validate", backup.Json.GetProperty("restorePointId").GetString()!)).AssertDone();
            said = backup.Output + backup.Error + validate.Output + validate.Error;
            await AssertRunsAreCleanAsync(estate);
            await console.StopAsync();
            said += console.Said;
        }

        var seen = await File.ReadAllTextAsync(record, Ct);
        Assert.All(Watched, program => Assert.Contains($"\n=== {program}\n", seen, StringComparison.Ordinal));
        Assert.DoesNotContain("from the console's environment", seen, StringComparison.Ordinal);
        foreach (var (name, secret) in Secrets(estate))
        {
            Assert.False(seen.Contains(secret, StringComparison.Ordinal), $"{name} is in a child's arguments or environment");
            Assert.False(said.Contains(secret, StringComparison.Ordinal), $"{name} is in what the console says");
            foreach (var log in Directory.EnumerateFiles(Path.Combine(estate.Data, "logs")))
            {
                Assert.False((await File.ReadAllTextAsync(log, Ct)).Contains(secret, StringComparison.Ordinal), $"{name} is in {log}");
            }
        }
    }

    [Fact]
    public async Task Secrets_in_the_data_folder_are_for_its_owner_only()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        (await estate.RunAsync("sources")).AssertDone();
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(estate.Data, "keys"), "*", SearchOption.AllDirectories))
        {
            Assert.True((File.GetUnixFileMode(file) & Others) == 0, file);
        }
    }

    /// <summary>PostgreSQL's programs, each of which first writes down how it was called.</summary>
    private static async Task<string> WatchAsync(ConsoleEstate estate, string record)
    {
        var real = PostgresBinaries.Find().Folder;
        var folder = Directory.CreateDirectory(estate.Combine("programs")).FullName;
        foreach (var program in Directory.EnumerateFiles(real).Select(path => Path.GetFileName(path)!))
        {
            var path = Path.Combine(folder, program);
            if (!Watched.Contains(program))
            {
                File.CreateSymbolicLink(path, Path.Combine(real, program));
                continue;
            }

            await File.WriteAllTextAsync(path, $"#!/bin/sh\n{{ printf '\\n=== {program}\\n'; printf '%s\\n' \"$@\"; env; }} >> '{record}'\nexec '{real}/{program}' \"$@\"\n", Ct);
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        }

        return folder;
    }

    private static async Task AssertRunsAreCleanAsync(ConsoleEstate estate)
    {
        await using var catalog = estate.OpenCatalog();
        var store = new RunStore(catalog);
        foreach (var run in await store.ListAsync(null, null, null, 100, Ct))
        {
            var texts = (await store.EventsAsync(run.Id, 0, 10_000, Ct)).Select(line => line.Text).Append(run.RequestJson).Append(run.ResultJson ?? "").ToList();
            Assert.All(Secrets(estate), secret => Assert.DoesNotContain(texts, text => text.Contains(secret.Value, StringComparison.Ordinal)));
        }
    }

    private static IEnumerable<(string Name, string Value)> Secrets(ConsoleEstate estate) =>
        new[] { estate.Key, estate.Lab.BackupPasswordFile, estate.Lab.AdminPasswordFile }
            .Concat(Directory.EnumerateFiles(Path.Combine(estate.Data, "keys"), "*.pw"))
            .Select(path => (path, File.ReadAllText(path).Trim()))
            .Where(secret => secret.Item2.Length > 0);
}
