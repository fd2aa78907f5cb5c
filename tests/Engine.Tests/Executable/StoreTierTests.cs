using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A console whose tiers are a directory, a bucket and a remote site.</summary>
public sealed class StoreTierTests(PostgresLab postgres, StoreLab stores, ConsoleSeed seed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Backup_reaches_all_three_and_each_restores_alone()
    {
        await using var estate = await ConsoleEstate.CreateAsync(postgres, seed);
        (string Name, string Store)[] tiers =
            [("hot", new Uri(estate.Store("hot")).AbsoluteUri), ("warm", await stores.NewStoreAsync("s3", Ct)), ("cold", await stores.NewStoreAsync("sftp", Ct))];
        var file = await estate.ConfigureAsync(new EstateChanges { Tiers = tiers, Tables = ["customers"] });
        var backup = (await ConsoleProcess.RunAsync(["backup", ConsoleEstate.Source, "--json", "--config", file])).AssertDone().Json;
        Assert.Equal("completed", backup.GetProperty("status").GetString());
        var id = backup.GetProperty("restorePointId").GetString()!;
        var listed = Assert.Single((await ConsoleProcess.RunAsync(["restore-points", "--json", "--config", file])).AssertDone().Json.EnumerateArray());
        Assert.Equal(["cold:stored", "hot:stored", "warm:stored"], listed.GetProperty("tiers").EnumerateObject().Select(tier => $"{tier.Name}:{tier.Value}").Order(StringComparer.Ordinal));
        foreach (var (name, store) in tiers)
        {
            var target = estate.Combine("out-" + name);
            var alone = StoreUrl.Parse(store).Combine(ConsoleEstate.Workspace).ToString();
            (await ConsoleProcess.RunAsync(["repository", "restore", id, "--to", target, "--store", alone, "--key-file", estate.Key])).AssertDone();
            Assert.NotEmpty(Directory.EnumerateFiles(target));
        }

        estate.AssertNothingRuns();
    }

    [Theory]
    [InlineData("wrong-key", "does not accept the secret key")]
    [InlineData("missing-bucket", "there is no bucket 'nowhere'")]
    [InlineData("changed-host-key", "shows another host key")]
    [InlineData("read-only-site", "refuses access")]
    public async Task Bad_tier_is_refused_and_untouched(string what, string text)
    {
        await using var estate = await ConsoleEstate.CreateAsync(postgres, seed);
        await using var bad = await BadStore.MakeAsync(stores, what, Path.GetDirectoryName(estate.Key)!);
        var only = await estate.ConfigureAsync(new EstateChanges { Tiers = [("hot", bad.Url)], Tables = ["customers"] });
        (await ConsoleProcess.RunAsync(["backup", ConsoleEstate.Source, "--config", only])).AssertRefused(text);
        await bad.AssertUntouchedAsync();
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Tier_behind_a_bad_store_leaves_the_others_working()
    {
        await using var estate = await ConsoleEstate.CreateAsync(postgres, seed);
        var hot = ("hot", new Uri(estate.Store("hot")).AbsoluteUri);
        var alone = await estate.ConfigureAsync(new EstateChanges { Tiers = [hot], Tables = ["customers"] });
        (await ConsoleProcess.RunAsync(["backup", ConsoleEstate.Source, "--config", alone])).AssertDone();
        await using var bad = await BadStore.MakeAsync(stores, "changed-host-key", Path.GetDirectoryName(estate.Key)!);
        var file = await estate.ConfigureAsync(new EstateChanges { Tiers = [hot, ("cold", bad.Url)], Tables = ["customers"] });
        var result = (await ConsoleProcess.RunAsync(["backup", ConsoleEstate.Source, "--config", file])).AssertDone();
        Assert.Contains("degraded: 1 of 2 tiers", result.Error, StringComparison.Ordinal);
        Assert.Contains("shows another host key", result.Error, StringComparison.Ordinal);
        await bad.AssertUntouchedAsync();
    }

    [Fact]
    public async Task The_same_store_twice_is_a_mistake_of_the_configuration()
    {
        await using var estate = await ConsoleEstate.CreateAsync(postgres, seed);
        var store = await stores.NewStoreAsync("s3", Ct);
        var file = await estate.ConfigureAsync(new EstateChanges { Tiers = [("hot", store), ("warm", store.Replace("127.0.0.1", "localhost", StringComparison.Ordinal))] });
        (await ConsoleProcess.RunAsync(["backup", ConsoleEstate.Source, "--config", file])).AssertRefused("is given 2 times, as 'hot' and as 'warm'");
    }
}
