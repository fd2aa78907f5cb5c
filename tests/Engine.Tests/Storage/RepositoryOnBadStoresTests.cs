using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Stores;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>
/// The repository on real servers behind a bad network, with calls that fail on top: a backup is done or has failed cleanly,
/// and whatever is listed afterwards restores. <c>DRCONSOLE_CAMPAIGN_ROUNDS</c> and <c>_SEED</c> make it longer.
/// </summary>
public sealed class RepositoryOnBadStoresTests(StoreLab lab)
{
    private static readonly RetryPolicy s_patience = new() { FirstPause = TimeSpan.FromMilliseconds(20), LongestPause = TimeSpan.FromMilliseconds(500), TotalTime = TimeSpan.FromSeconds(90) };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static int Rounds => Number("DRCONSOLE_CAMPAIGN_ROUNDS", 4);

    private static int Seed => Number("DRCONSOLE_CAMPAIGN_SEED", 11);

    [Theory]
    [InlineData("s3")]
    [InlineData("sftp")]
    public async Task Backups_through_a_bad_network_and_a_jumping_clock_are_whole_or_absent(string kind)
    {
        var (clean, port, hidden) = await AddressAsync(kind);
        await using var network = new FaultyNetwork(port, new NetworkFaults(Seed, CutShare: 0.3, StallShare: 0.05, SlowShare: 0.1, MostBytes: 1_500_000));
        await using var faulty = new FaultyStore(StoreUrl.Parse(hidden(network.Port)).Open(), new FaultPlan(Seed, ErrorShare: 0.1));
        var retries = 0;
        await using var store = new RetryingStore(faulty, s_patience, random: new Random(Seed), onRetry: _ => Interlocked.Increment(ref retries));
        var options = RepositoryFixture.Cheap with { Time = new JumpingClock(Seed) };
        await using var repository = await RepositoryFixture.InitializeAsync(store, options);
        var completed = new Dictionary<string, RestorePointId>();
        for (var round = 0; round < Rounds; round++)
        {
            try
            {
                var point = await repository.BackupAsync(ContentOf(round), SourceOf(round));
                completed.Add(SourceOf(round), point.Id);
            }
            catch (EngineException fault)
            {
                // Failing is allowed where the network is this bad, but only with a reason that a person can act on.
                Assert.NotNull(fault.Hint ?? fault.Message);
            }
        }

        Assert.NotEmpty(completed);
        Assert.True(retries > 0 && network.Cut > 0, $"{retries} retries, {network.Cut} cut, {network.Stalled} stalled");
        await AssertEveryListedPointRestoresAsync(clean, completed);
        await AssertCopiesAsync(store, options, clean, completed);
    }

    [Fact]
    public async Task Full_bucket_fails_cleanly_and_takes_backups_again_when_there_is_space()
    {
        var server = await lab.GetS3Async(Ct);
        await server.EnsureBucketAsync("full", withObjectLock: false, Ct);
        await SetQuotaAsync(server, 12 << 20);
        await AssertFullThenSpaceAsync(server.Url("full", "x"), () => SetQuotaAsync(server, 400 << 20));
    }

    [Fact]
    public async Task Full_remote_site_fails_cleanly_and_takes_backups_again_when_there_is_space()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "mounting a small tmpfs needs root");
        var folder = await lab.NewFolderAsync();
        Directory.CreateDirectory(folder);
        await MountAsync("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder);
        try
        {
            await AssertFullThenSpaceAsync((await lab.GetSshAsync(Ct)).Url(folder), () => MountAsync("mount", "-o", "remount,size=200m", folder));
            Assert.Empty(Directory.GetFiles(Path.Combine(folder, "tmp")));
        }
        finally
        {
            await MountAsync("umount", folder);
        }
    }

    private static async Task AssertFullThenSpaceAsync(string url, Func<Task> enlarge)
    {
        await using var store = new RetryingStore(StoreUrl.Parse(url).Open(), s_patience);
        await using var repository = await RepositoryFixture.InitializeAsync(store);
        var first = await repository.BackupAsync(ContentOf(1), SourceOf(1));
        var fault = await Assert.ThrowsAsync<EngineException>(() => repository.BackupAsync(RepositoryFixture.Noise(60_000_000, 9)));
        Assert.Equal(("store-full", ErrorKind.OutOfSpace), (fault.Code, fault.Kind));
        await AssertEveryListedPointRestoresAsync(url, new() { [SourceOf(1)] = first.Id });
        await enlarge();
        var second = await repository.BackupAsync(RepositoryFixture.Noise(60_000_000, 9), "large");
        RepositoryFixture.AssertSame(RepositoryFixture.Noise(60_000_000, 9), await repository.ReadAsync(second));
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    /// <summary>Looks through a good network: what was reported as done is there, and all that is there restores.</summary>
    private static async Task AssertEveryListedPointRestoresAsync(string clean, Dictionary<string, RestorePointId> completed)
    {
        await using var store = StoreUrl.Parse(clean).Open();
        await using var repository = await RepositoryFixture.OpenAsync(store);
        var list = await repository.ListAsync(Ct);
        Assert.Empty(list.Damaged);
        Assert.Empty(completed.Values.Except(list.Points.Select(point => point.Id)));
        foreach (var point in list.Points)
        {
            RepositoryFixture.AssertSame(ContentOf(int.Parse(point.Source[SourceOf(0)[..^1].Length..], CultureInfo.InvariantCulture)), await repository.ReadAsync(point));
        }

        var report = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(report.IsSound, string.Join('\n', report.Damaged.Select(damage => $"{damage.Name}: {damage.Reason}")));
    }

    /// <summary>A new tier is filled through the bad network until it holds everything, then stands alone.</summary>
    private async Task AssertCopiesAsync(IObjectStore bad, RepositoryOptions options, string clean, Dictionary<string, RestorePointId> completed)
    {
        await using var tierStore = new FileSystemStore(await lab.NewFolderAsync());
        await using var origin = await RepositoryFixture.OpenAsync(bad, options);
        await using var tier = await BackupRepository.InitializeFromAsync(tierStore, origin, Ct);
        for (var attempt = 0; attempt < 20; attempt++)
        {
            try
            {
                await origin.CopyAsync(tier, null, null, Ct);
                break;
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                // What arrived stays; the next attempt goes on from there.
            }
        }

        await AssertEveryListedPointRestoresAsync(tierStore.Url, completed);
        await using var store = StoreUrl.Parse(clean).Open();
        await using var whole = await RepositoryFixture.OpenAsync(store);
        Assert.Equal((await whole.ListAsync(Ct)).Points.Select(point => point.Id), (await tier.ListAsync(Ct)).Points.Select(point => point.Id));
    }

    private async Task<(string Clean, int Port, Func<int, string> Hidden)> AddressAsync(string kind)
    {
        var clean = await lab.NewStoreAsync(kind, Ct);
        var port = kind == "s3" ? (await lab.GetS3Async(Ct)).Port : (await lab.GetSshAsync(Ct)).Port;
        // The server's time-out is long enough for a busy machine and short enough for a test that waits for it.
        return (clean, port, other => clean.Replace($"127.0.0.1:{port}", $"127.0.0.1:{other}", StringComparison.Ordinal) + "&timeout=4");
    }

    private static async Task SetQuotaAsync(LabS3 server, int bytes)
    {
        await server.AdminAsync(["quota", "set", "--quota-scope=bucket", "--uid=lab", "--bucket=full", string.Create(CultureInfo.InvariantCulture, $"--max-size={bytes}")], Ct);
        await server.AdminAsync(["quota", "enable", "--quota-scope=bucket", "--uid=lab", "--bucket=full"], Ct);
    }

    private static async Task MountAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.WaitForExitAsync(Ct);
        Assert.True(process.ExitCode == 0, await process.StandardError.ReadToEndAsync(Ct));
    }

    /// <summary>Three megabytes, two thirds of them the same in each round.</summary>
    private static byte[] ContentOf(int round) => [.. RepositoryFixture.Noise(2_000_000, 77), .. RepositoryFixture.Noise(1_000_000, 1000 + round)];

    private static string SourceOf(int round) => string.Create(CultureInfo.InvariantCulture, $"round-{round}");

    private static int Number(string name, int usual) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var number) ? number : usual;
}
