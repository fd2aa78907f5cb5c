using System.Net;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What can be wrong with the data folder that a console starts on.</summary>
public sealed class DataFolderFaultTests(PostgresLab lab, ConsoleSeed seed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Serve_second_console_on_one_data_folder_is_refused_and_the_first_goes_on()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        await using var first = await estate.ServeAsync();
        var second = await ConsoleProcess.RunAsync(["serve", "--config", estate.Configuration, "--urls", "http://127.0.0.1:0"]);
        second.AssertRefused($"another console (process {first.Identity.Pid}) uses the data folder", "--data");

        var url = first.Said.Split('\n').First(line => line.StartsWith("Console: ", StringComparison.Ordinal))["Console: ".Length..];
        using var client = new HttpClient();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri($"{url}/readyz"), Ct)).StatusCode);
        Assert.Equal(0, (await first.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Commands_on_one_data_folder_wait_for_each_other()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var results = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => estate.RunAsync("backup", ConsoleEstate.Source, "--json")));

        Assert.All(results, result => result.AssertDone());
        Assert.Equal(3, results.Select(result => result.Json.GetProperty("restorePointId").GetString()).Distinct().Count());
        Assert.Contains(results, result => result.Error.Contains("a command that uses the same data folder", StringComparison.Ordinal));
        Assert.Equal(3, estate.Manifests().Count);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Serve_on_a_data_folder_of_another_major_is_refused_untouched()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var version = Path.Combine(estate.Data, "postgres", "pgdata", "PG_VERSION");
        await File.WriteAllTextAsync(version, "9\n", Ct);
        foreach (var command in new[] { "serve", "sources" })
        {
            (await ConsoleProcess.RunAsync([command, "--config", estate.Configuration])).AssertRefused("PostgreSQL 9", "pg_upgrade", "nothing has been changed");
        }

        Assert.Equal("9\n", await File.ReadAllTextAsync(version, Ct));
        estate.AssertNothingRuns();
    }

    [Theory]
    [InlineData("serve", "--urls", "http://127.0.0.1:0")]
    [InlineData("backup", ConsoleEstate.Source)]
    public async Task Start_with_a_full_data_folder_says_that_space_is_missing(params string[] arguments)
    {
        Assert.SkipUnless(ServerUser.IsRoot, "mounting a small file system needs root");
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var kept = estate.Data + "-kept";
        Directory.Move(estate.Data, kept);
        Directory.CreateDirectory(estate.Data);
        await Shell.RunAsync("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", estate.Data);
        try
        {
            await Shell.RunAsync("cp", "-a", kept + "/.", estate.Data);
            await Shell.RunAsync("sh", "-c", $"dd if=/dev/zero of='{estate.Data}/ballast' bs=4k 2>/dev/null; true");
            var refused = await ConsoleProcess.RunAsync([.. arguments, "--config", estate.Configuration]);
            refused.AssertRefused(estate.Data);
            Assert.Contains("space", refused.Error, StringComparison.Ordinal);
            Assert.Empty(estate.Manifests());

            File.Delete(Path.Combine(estate.Data, "ballast"));
            (await estate.RunAsync("backup", ConsoleEstate.Source)).AssertDone();
            estate.AssertNothingRuns();
        }
        finally
        {
            await Shell.RunAsync("umount", estate.Data);
        }
    }
}
