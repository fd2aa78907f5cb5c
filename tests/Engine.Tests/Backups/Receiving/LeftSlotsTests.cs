using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

public sealed class LeftSlotsTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly SaidLog _log = new();

    [Fact]
    public async Task Slot_of_a_source_whose_WAL_was_turned_off_is_dropped_once_nobody_streams_from_it()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var off = EstateOf(rig, settings => settings with { IsEnabled = false });

        await LookAsync(rig, off);
        Assert.Equal([rig.Slot], await SlotsAsync(rig));
        await rig.StopReceiverAsync();
        await LookAsync(rig, rig.Estate);
        Assert.Equal([rig.Slot], await SlotsAsync(rig));

        // This may be the process with the old configuration.
        await LookAsync(rig, off);
        Assert.Equal([rig.Slot], await SlotsAsync(rig));
        await catalog.Pool.Command("UPDATE wal_receiver SET measured_at = measured_at - interval '2 h', lease_until = lease_until - interval '2 h' WHERE source = $1", rig.Source.Name).RunAsync(Ct);
        await Eventually.UntilAsync(
            async () =>
            {
                // The server may not have noticed yet that nobody streams.
                await LookAsync(rig, off);
                return (await SlotsAsync(rig)).Count == 0;
            },
            () => "the slot is dropped", Ct);

        Assert.Empty(await SlotsAsync(rig));
        Assert.DoesNotContain(await rig.Wal.SlotsAsync(Ct), slot => slot.Source == rig.Source.Name);
    }

    [Fact]
    public async Task Slot_of_a_source_whose_class_wants_no_WAL_any_more_stays_however_long_nobody_streams_from_it()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.StopReceiverAsync();
        await catalog.Pool.Command("UPDATE wal_receiver SET measured_at = measured_at - interval '2 d', lease_until = lease_until - interval '2 d' WHERE source = $1", rig.Source.Name).RunAsync(Ct);

        // The console that receives is down for days, and a worker reads a configuration with a mistake in the class's name.
        var estate = rig.Estate with { Sources = [rig.Source with { Class = "standard" }] };
        Assert.Null(estate.WalOf(estate.Sources[0]));
        await LookAsync(rig, estate);

        Assert.Equal([rig.Slot], await SlotsAsync(rig));
        Assert.Contains(_log.Said, text => text.Contains("does not say so by Wal:Enabled false", StringComparison.Ordinal));
        Assert.Contains(await rig.Wal.SlotsAsync(Ct), slot => slot.Source == rig.Source.Name);
    }

    [Fact]
    public async Task Slot_under_the_old_name_is_dropped_when_the_new_one_keeps_what_is_needed()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.StopReceiverAsync();
        var renamed = EstateOf(rig, settings => settings with { Slot = "another" });

        await LookAsync(rig, renamed);
        Assert.Equal([rig.Slot], await SlotsAsync(rig));

        using var stop = new CancellationTokenSource();
        var receiving = new WalReceivers(
            catalog.Pool, rig.Tiers, renamed, rig.Wal, rig, rig.Registry, new LeaseTimes(TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(300)), TimeProvider.System, new SaidLog())
            .SuperviseAsync(renamed.Sources[0], stop.Token);
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await LookAsync(rig, renamed);

        Assert.Equal(["another"], await SlotsAsync(rig));
        await stop.CancelAsync();
        await receiving;
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
    }

    [Fact]
    public async Task Slot_on_a_server_that_is_configured_no_more_is_said_with_what_drops_it()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.StopReceiverAsync();

        await LookAsync(rig, new ProtectedEstate("test", rig.StoreOf("estate"), ProtectionClass.Defaults, rig.Estate.Tiers, [], []));

        Assert.Equal([rig.Slot], await SlotsAsync(rig));
        Assert.Contains(_log.Said, text => text.Contains($"SELECT pg_drop_replication_slot('{rig.Slot}')", StringComparison.Ordinal) && text.Contains($"127.0.0.1:{rig.Server.Port}", StringComparison.Ordinal));
    }

    private Task LookAsync(WalRig rig, ProtectedEstate estate) => new LeftSlots(catalog.Pool, estate, rig.Wal, TimeProvider.System, _log).LookAsync(Ct);

    private static ProtectedEstate EstateOf(WalRig rig, Func<WalSettings, WalSettings> change) => new(
        "test", rig.StoreOf("estate"), rig.Estate.Classes, rig.Estate.Tiers, [rig.Source with { Postgres = rig.Source.Postgres! with { Wal = change(rig.Settings) } }], []);

    private static async Task<List<string>> SlotsAsync(WalRig rig)
    {
        await using var connection = await rig.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT slot_name::text FROM pg_replication_slots ORDER BY 1", connection);
        await using var reader = await command.ExecuteReaderAsync(Ct);
        var names = new List<string>();
        while (await reader.ReadAsync(Ct))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private sealed class SaidLog : ILogger<WalReceivers>
    {
        public List<string> Said { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Said.Add(formatter(state, exception));
    }
}
