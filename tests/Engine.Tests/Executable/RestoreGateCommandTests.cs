using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A restore over what lives, asked for on the command line and approved by a person in the console.</summary>
public sealed partial class RestoreGateCommandTests(PostgresLab lab, ConsoleSeed seed)
{
    private const string Uploads = "uploads";
    private const string Password = "a password of the test";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_a_console_nobody_could_answer_and_the_command_says_so()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var (configuration, point) = await BackUpAsync(estate);
        var (place, hash) = await PlanAsync(estate, configuration, point);

        (await RunAsync(configuration, "restore", point, "--to", place, "--confirm", hash)).AssertRefused("needs 1 approval by people other than command line", "there is nobody", "RestoreApprovals 0");
        await AddApproverAsync(estate, configuration);
        var waiting = await RunAsync(configuration, "restore", point, "--to", place, "--confirm", hash, "--json");

        waiting.AssertRefused("waits: approval of the restore over", "1 person with the role Approver or Admin", "it waits for a person, and no console runs here");
        Assert.Equal("waiting", waiting.Json.GetProperty("status").GetString());
        Assert.Equal("newer", Read(estate));
        Assert.Contains(await estate.ReadRunsAsync(), run => run is { Kind: RunKinds.Restore, State: RunState.Waiting });
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task It_outlives_a_killed_console_waits_for_the_approver_and_ends_as_the_answer_says()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var (configuration, point) = await BackUpAsync(estate);
        long asked;
        await using (var first = await ServeAsync(configuration))
        {
            await AddApproverAsync(estate, configuration);
            var (place, hash) = await PlanAsync(estate, configuration, point);
            asked = (await RunAsync(configuration, "restore", point, "--to", place, "--confirm", hash, "--no-wait", "--json")).AssertDone().Json.GetProperty("runId").GetInt64();
            await using var catalog = estate.OpenCatalog();
            await UntilAsync(catalog, asked, RunState.Waiting);
            await first.KillAsync();
        }

        await using var second = await ServeAsync(configuration);
        await using (var catalog = estate.OpenCatalog())
        {
            Assert.Equal(RunState.Waiting, (await new RunStore(catalog).FindAsync(new RunId(asked), Ct))!.State);
            using var paul = await ConsoleBrowser.SignInAsync(ConsoleBrowser.AddressOf(second), "paul", Password, Ct);
            await AnswerAsync(paul, asked, "approve");
            await UntilAsync(catalog, asked, RunState.Completed);
            Assert.Equal("as it was", Read(estate));

            foreach (var (act, code, text, left) in new[] { ("decline", 1, "paul declined: the files are damaged", "newer"), ("approve", 0, "ended: completed", "as it was") })
            {
                Write(estate, "newer");
                var (place, hash) = await PlanAsync(estate, configuration, point);
                await using var command = ConsoleProcess.Start(["restore", point, "--to", place, "--confirm", hash, "--config", configuration]);
                await command.WaitForAsync("waits: approval of the restore over");
                // It says that it waits before it is parked.
                var run = (await new RunStore(catalog).ListAsync(Uploads, RunKinds.Restore, null, 1, Ct))[0].Id.Value;
                await UntilAsync(catalog, run, RunState.Waiting);
                await AnswerAsync(paul, run, act);
                var ended = await command.EndAsync();
                Assert.True(ended.Code == code, ended.Error);
                Assert.Contains(text, ended.Error, StringComparison.Ordinal);
                Assert.Equal(left, Read(estate));
            }
        }

        Assert.Equal(0, (await second.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    /// <summary>Answers at the gate of a run as the API's programs for people do.</summary>
    private static async Task AnswerAsync(HttpClient person, long run, string act)
    {
        var open = JsonElement.Parse(await person.GetStringAsync(new Uri("/api/v1/approvals", UriKind.Relative), Ct)).EnumerateArray().Single(gate => gate.GetProperty("run").GetInt64() == run);
        Assert.Equal("command line", open.GetProperty("requester").GetString());
        // What will run can be looked at before it is answered.
        var plan = JsonElement.Parse(await person.GetStringAsync(new Uri($"/api/v1/approvals/{open.GetProperty("id").GetInt64()}/plan", UriKind.Relative), Ct));
        Assert.Equal(open.GetProperty("subjectHash").GetString(), plan.GetProperty("hash").GetString());
        Assert.Contains(plan.GetProperty("notes").EnumerateArray(), note => note.GetString()!.Contains("letter", StringComparison.Ordinal));
        var answer = await person.PostAsJsonAsync(
            $"/api/v1/approvals/{open.GetProperty("id").GetInt64()}/answer",
            new { act, subjectHash = open.GetProperty("subjectHash").GetString(), reason = "the files are damaged", incident = "INC-1", password = Password }, Ct);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Ct));
    }

    private static async Task UntilAsync(Npgsql.NpgsqlDataSource catalog, long run, RunState state)
    {
        while ((await new RunStore(catalog).FindAsync(new RunId(run), Ct))!.State != state)
        {
            await Task.Delay(50, Ct);
        }
    }

    private static async Task AddApproverAsync(ConsoleEstate estate, string configuration)
    {
        var file = estate.Combine("paul.pw");
        LocalFolder.WritePrivateFile(file, Encoding.ASCII.GetBytes(Password));
        (await RunAsync(configuration, "user", "add", "paul", "--role", "Approver", "--password-file", file)).AssertDone();
    }

    private static async Task<(string Configuration, string Point)> BackUpAsync(ConsoleEstate estate)
    {
        var configuration = estate.Combine("volume.json");
        await File.WriteAllTextAsync(configuration, JsonSerializer.Serialize(new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                Classes = new Dictionary<string, object> { ["standard"] = new { Rpo = "7.00:00:00" } },
                Tiers = new[] { new { Name = "hot", Store = new Uri(estate.Store("hot")).AbsoluteUri, KeyFile = estate.Key } },
                Sources = new[] { new { Name = Uploads, Kind = "volume", Class = "standard", Volume = new { Path = "volume" } } },
            },
        }), Ct);
        Directory.CreateDirectory(estate.Combine("volume"));
        Write(estate, "as it was");
        var point = (await RunAsync(configuration, "backup", Uploads, "--json")).AssertDone().Json.GetProperty("restorePointId").GetString()!;
        Write(estate, "newer");
        return (configuration, point);
    }

    /// <summary>What the unconfirmed command says.</summary>
    private static async Task<(string Place, string Hash)> PlanAsync(ConsoleEstate estate, string configuration, string point)
    {
        var place = $"dir:{estate.Combine("volume")}?inPlace=true";
        var unconfirmed = await RunAsync(configuration, "restore", point, "--to", place);
        Assert.Equal(2, unconfirmed.Code);
        return (place, Confirm().Match(unconfirmed.Error).Groups[1].Value);
    }

    private static string FileOf(ConsoleEstate estate) => Path.Combine(estate.Combine("volume"), "letter");

    private static string Read(ConsoleEstate estate) => File.ReadAllText(FileOf(estate));

    private static void Write(ConsoleEstate estate, string content) => File.WriteAllText(FileOf(estate), content);

    private static async Task<ConsoleProcess> ServeAsync(string configuration)
    {
        var console = ConsoleProcess.Start(["serve", "--config", configuration, "--urls", "http://127.0.0.1:0"]);
        await console.WaitForAsync("Console: http");
        return console;
    }

    private static Task<CommandResult> RunAsync(string configuration, params string[] arguments) => ConsoleProcess.RunAsync([.. arguments, "--config", configuration]);

    [GeneratedRegex("--confirm ([0-9a-f]{64})")]
    private static partial Regex Confirm();
}
