using System.Diagnostics;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>Whether commits wait for the receiver is asked of the server, which knows who waits and for whom.</summary>
public sealed class WalSyncTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Server_says_who_waits_to_a_role_that_may_see_it_and_commits_that_wait_for_another_standby_are_not_ours()
    {
        await using var rig = await CreateAsync(catalog, new WalSettings(null, null, true, TimeSpan.FromSeconds(1)));
        rig.StartReceiver();
        // Configured as synchronous here, and not there.
        await rig.WaitForAsync(row => row.Notices.Any(notice => notice.Contains("synchronous_standby_names is empty on its server", StringComparison.Ordinal)), Limit);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.ExecuteAsync("CREATE ROLE watcher LOGIN REPLICATION PASSWORD 'a password'");
        await NameAsync(rig, rig.Slot);
        await UntilAsync(async () => (await LookAsync(rig, "postgres")).State == "sync");

        rig.TakeDown("warm");
        await using var connection = await rig.OpenAsync();
        await using var command = new NpgsqlCommand("CREATE TABLE waits (n int)", connection) { CommandTimeout = 0 };
        var waiting = command.ExecuteNonQueryAsync(Ct);
        await UntilAsync(async () => (await LookAsync(rig, "postgres")).Waiting.Count == 1);
        Assert.Equal((false, null, 0), await LookAsync(rig, "watcher") is var unseen ? (unseen.MaySee, unseen.State, unseen.Waiting.Count) : default);
        var said = await rig.WaitForAsync(row => row.CommitsWaitSince is not null, Limit);
        Assert.Contains(said.Notices, notice => notice.Contains("(1 session waits), since fewer than 2 tiers", StringComparison.Ordinal));
        rig.BringBack("warm");
        await waiting;

        // Whoever else is waited for: what this receiver's tiers lack holds up nobody.
        await NameAsync(rig, "another");
        await rig.WaitForAsync(row => row.CommitsWaitSince is null && row.Notices.Any(notice => notice.Contains($"'\"another\"', and {rig.Slot} is async", StringComparison.Ordinal)), Limit);
        rig.TakeDown("warm");
        await rig.ExecuteAsync("SET synchronous_commit = local; CREATE TABLE goes_on (n int)");
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(9);)
        {
            Assert.Null((await rig.Wal.ReceiversAsync(rig.Source.Name, Ct)).Single().CommitsWaitSince);
            await Task.Delay(200, Ct);
        }

        rig.BringBack("warm");
    }

    [Fact]
    public void Commits_may_wait_for_a_receiver_that_is_chosen_or_would_be_and_for_no_other()
    {
        static bool Waits(string? state, bool hasOther = false, string names = "\"drconsole_orders\"", bool maySee = true) => new WalSyncState(names, maySee, state, hasOther, []).MayWaitForReceiver;

        Assert.True(Waits("sync") && Waits("quorum", hasOther: true) && Waits(null));
        // One that catches up counts as next in line; it is waited for where nobody else is there.
        Assert.True(Waits("potential"));
        Assert.False(Waits("potential", hasOther: true));
        Assert.False(Waits("async"));
        Assert.False(Waits("async", names: ""));
        // Who may not see it knows nothing but the setting.
        Assert.True(Waits(null, maySee: false));
        Assert.False(Waits(null, maySee: false, names: ""));
        Assert.Contains("pg_read_all_stats", new WalSyncState("x", false, null, false, []).Notice("slot"), StringComparison.Ordinal);
        Assert.Null(new WalSyncState("slot", true, "sync", false, []).Notice("slot"));
    }

    [Fact]
    public void Sessions_that_commit_all_the_time_wait_for_a_moment_and_one_that_is_seen_again_waits_since_then()
    {
        var time = new FakeTimeProvider();
        var waits = new WalSyncWaits(time);
        waits.Look(["1 10:00:00", "2 10:00:00"]);
        time.Advance(TimeSpan.FromSeconds(4));
        waits.Look(["1 10:00:04", "2 10:00:00"]);
        time.Advance(TimeSpan.FromSeconds(4));
        waits.Look(["1 10:00:08", "2 10:00:00"]);
        Assert.Equal((2, TimeSpan.FromSeconds(8)), (waits.Count, waits.Longest));

        waits.Look(["1 10:00:09"]);
        Assert.Equal((1, TimeSpan.Zero), (waits.Count, waits.Longest));
        waits.Look([]);
        Assert.Equal(TimeSpan.Zero, waits.Longest);
    }

    private static async Task NameAsync(WalRig rig, string standby)
    {
        await rig.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '\"{standby}\"'");
        await rig.ExecuteAsync("SELECT pg_reload_conf()");
    }

    private static async Task<WalSyncState> LookAsync(WalRig rig, string role)
    {
        var server = new PostgresSource { Host = "127.0.0.1", Port = rig.Server.Port, Database = "postgres", Username = role, PasswordFile = rig.StoreOf("password") };
        var source = new WalSource(server, rig.Slot, rig.Registry, TimeProvider.System);
        await using var connection = await source.OpenAsync(Ct);
        return (await source.LookAsync(connection, Ct)).Sync;
    }

    private static async Task UntilAsync(Func<Task<bool>> isSo) => await Eventually.UntilAsync(isSo, () => "the server shows what is waited for", Ct);
}
