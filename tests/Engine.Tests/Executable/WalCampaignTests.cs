using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Backups.Receiving;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>The source and the console that receives its WAL die under write load, in random order; no acknowledged commit may be lost.</summary>
public sealed class WalCampaignTests(CatalogServer catalog, ConsoleSeed seed)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Source_and_console_killed_in_random_order_lose_no_acknowledged_commit()
    {
        var rounds = Number("DRCONSOLE_CAMPAIGN_ROUNDS", 1);
        var chance = new Random(Number("DRCONSOLE_CAMPAIGN_SEED", 20261124));
        await using var rig = await WalRig.CreateAsync(catalog);
        var configuration = await ConfigureAsync(rig);
        await seed.PlantAsync(rig.StoreOf("data"));
        var report = new List<string>();
        var console = await ServeAsync(configuration);
        try
        {
            var baseBackup = await BaseOnceReceivingAsync(rig);
            rig.StartWriting(TimeSpan.FromMilliseconds(5), fillerBytes: 1000);
            for (var round = 1; round <= rounds; round++)
            {
                await Task.Delay(chance.Next(500, 2500), Ct);
                var victims = chance.Next(3);
                if (victims != 1)
                {
                    await rig.KillServerAsync();
                }

                if (victims != 0)
                {
                    await console.KillAsync();
                }

                var acknowledged = rig.Heartbeats.ToList();
                await Task.Delay(chance.Next(500), Ct);
                var isServerFirst = chance.Next(2) == 0;
                if (victims != 1 && isServerFirst)
                {
                    await rig.StartServerAgainAsync();
                }

                if (victims != 0)
                {
                    await console.DisposeAsync();
                    console = await ServeAsync(configuration);
                }

                if (victims != 1 && !isServerFirst)
                {
                    await rig.StartServerAgainAsync();
                }

                var tier = round % 2 == 0 ? "hot" : "warm";
                var began = Stopwatch.GetTimestamp();
                await WaitStoredAsync(rig, tier, acknowledged[^1].Lsn);
                var stored = Stopwatch.GetElapsedTime(began);
                var found = await rig.RecoverAsync(baseBackup, tier, 1, $"recovered-{round}");
                Assert.Empty(acknowledged.Select(one => one.Id).Except(found));
                foreach (var left in new[] { $"recovered-{round}", $"recovered-{round}-wal" })
                {
                    await LocalFolder.RemoveAsync(rig.StoreOf(left), TimeProvider.System, CancellationToken.None);
                }

                Tell(report, string.Create(CultureInfo.InvariantCulture,
                    $"| {round} | {victims switch { 0 => "source", 1 => "console", _ => "both" }} | {acknowledged.Count} | {stored.TotalSeconds:0.0} s | {tier} | {found.Count} |"));
            }

            await rig.StopWritingAsync();
            foreach (var tier in (string[])["hot", "warm"])
            {
                await WaitStoredAsync(rig, tier, rig.Heartbeats.Last().Lsn);
                Assert.Single(Assert.Single((await rig.CoverageAsync(tier)).Timelines).Spans);
            }

            Assert.Equal(0, (await console.StopAsync()).Code);
        }
        finally
        {
            await console.DisposeAsync();
            await ServerFolder.EndAsync(new ProcessRegistry(Path.Combine(rig.StoreOf("data"), "processes")).List());
        }
    }

    private static async Task<string> ConfigureAsync(WalRig rig)
    {
        var path = rig.StoreOf("console.json");
        var settings = rig.Source.Postgres!;
        await File.WriteAllTextAsync(path, JsonSerializer.Serialize(new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                Tiers = rig.Estate.Tiers.Select(tier => new { tier.Name, tier.Store, tier.KeyFile }),
                Sources = new[]
                {
                    new
                    {
                        rig.Source.Name, Kind = "postgres", rig.Source.Class, rig.Source.Workspace,
                        Postgres = new { settings.Host, settings.Port, settings.Database, settings.Username, settings.PasswordFile, Mode = "physical", Wal = new { FlushInterval = "00:00:00.3" } },
                    },
                },
            },
        }), Ct);
        return path;
    }

    private static async Task<ConsoleProcess> ServeAsync(string configuration)
    {
        var console = ConsoleProcess.Start(["serve", "--config", configuration, "--urls", "http://127.0.0.1:0"]);
        await console.WaitForAsync("Console: http");
        return console;
    }

    /// <summary>The base backup is taken when the slot holds the WAL from there on.</summary>
    private static async Task<string> BaseOnceReceivingAsync(WalRig rig)
    {
        await WaitStoredAsync(rig, "warm", await rig.CurrentLsnAsync());
        return await rig.TakeBaseBackupAsync();
    }

    /// <summary>Waits until a tier holds everything up to an LSN without a hole, looked at in the tier itself.</summary>
    private static async Task WaitStoredAsync(WalRig rig, string tier, ulong lsn)
    {
        for (var began = Stopwatch.GetTimestamp(); ; await Task.Delay(100, Ct))
        {
            var end = 0UL;
            try
            {
                end = (await rig.CoverageAsync(tier)).Timelines.SelectMany(one => one.Spans).Select(span => span.EndLsn).DefaultIfEmpty().Max();
            }
            catch (Exception nothingYet) when (nothingYet is EngineException or InvalidOperationException)
            {
                // The console has not made the repository, or the stream in it, so far.
            }

            if (end >= lsn)
            {
                return;
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < Limit, $"{tier} holds WAL to {new Lsn(end)}, not to {new Lsn(lsn)}");
        }
    }

    private static void Tell(List<string> report, string line)
    {
        report.Add(line);
        TestContext.Current.TestOutputHelper!.WriteLine(line);
        if (Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_REPORT") is { Length: > 0 } path)
        {
            File.WriteAllLines(path, report);
        }
    }

    private static int Number(string variable, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out var number) ? number : fallback;
}
