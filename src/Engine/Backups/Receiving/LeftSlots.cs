using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Receiving;

/// <summary>
/// Drops the slots that receivers made and that no source wants any more, since its WAL was turned off or its slot renamed: a server
/// keeps WAL for a slot, if need be until its disk is full. Only those on record, on a server that their source still names, that
/// nobody streams from. What is left on another server is said, with what drops it.
/// </summary>
internal sealed class LeftSlots(NpgsqlDataSource catalog, ProtectedEstate estate, WalCatalog wal, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>The catalog says what a receiver has confirmed a little later than the server does.</summary>
    private static readonly TimeSpan CatalogDelay = TimeSpan.FromSeconds(5);

    /// <summary>No restart of a console, nor an upgrade, takes longer.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromHours(1);

    private readonly HashSet<WalSlotRow> _said = [];

    /// <summary>Looks again and again until it is cancelled: a server may be away, or a slot in use yet.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await LookAsync(ct);
            }
            catch (NpgsqlException fault)
            {
                log.LogWarning("slots that nobody wants any more could not be looked for: {Reason}", fault.Message);
            }

            await Task.Delay(Every, time, ct);
        }
    }

    /// <summary>One look at all that are on record.</summary>
    internal async Task LookAsync(CancellationToken ct)
    {
        foreach (var left in (await wal.SlotsAsync(ct)).Where(left => !estate.Sources.Any(source => IsOf(source, left))))
        {
            var source = estate.Sources.FirstOrDefault(one => one.Name == left.Source && one.Postgres is not null);
            if (source is null || ServerOf(source) is var server && PlaceOf(server) != left.Server)
            {
                Say(left, $"{left.Source} is not configured there any more, so that nobody here can drop it");
                continue;
            }

            try
            {
                await DropAsync(source, server, left, ct);
            }
            catch (Exception fault) when (fault is EngineException or NpgsqlException)
            {
                Say(left, fault.Message);
            }
        }
    }

    /// <summary>The server of a source, as its receiver reaches it.</summary>
    internal static PostgresSource ServerOf(Source source) => source.Postgres is { } postgres
        ? new PostgresSource { Host = postgres.Host, Port = postgres.Port, Database = postgres.Database, Username = postgres.Username, PasswordFile = postgres.PasswordFile }
        : throw new System.Diagnostics.UnreachableException($"{source.Name} has WAL and is no PostgreSQL");

    /// <summary>A server as it stands on record; slots are of all its databases.</summary>
    internal static string PlaceOf(PostgresSource server) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{server.Host}:{server.Port}");

    private bool IsOf(Source source, WalSlotRow slot) =>
        estate.WalOf(source) is { } settings && settings.SlotOf(source.Name) == slot.Slot && PlaceOf(ServerOf(source)) == slot.Server;

    private async Task DropAsync(Source source, PostgresSource server, WalSlotRow left, CancellationToken ct)
    {
        if (estate.WalOf(source) is null && source.Postgres!.Wal.IsEnabled is not false)
        {
            // Its class or mode says so, in the configuration of this process: that may be a mistake, or another process's configuration
            // may want it, whose console is down. What the slot keeps nobody else has.
            Say(left, $"the configuration of this process wants no WAL of {left.Source}, and does not say so by Wal:Enabled false, for which alone it is dropped");
            return;
        }

        await using var connection = await server.OpenAsync(ct);
        // The old one keeps what the new one cannot give yet; and a process that knows nothing of the WAL may be the one with the old configuration.
        if (estate.WalOf(source) is { } settings ? !await HasGoneOnAsync(source, connection, settings.SlotOf(source.Name), ct) : await IsReceivedAsync(source, ct))
        {
            return;
        }

        await using var look = new NpgsqlCommand("SELECT slot_type = 'physical' AND NOT active FROM pg_replication_slots WHERE slot_name = $1", connection) { Parameters = { new() { Value = left.Slot } } };
        switch (await look.ExecuteScalarAsync(ct))
        {
            case false:
                Say(left, "somebody uses it");
                return;
            case true:
                await using (var drop = new NpgsqlCommand("SELECT pg_drop_replication_slot($1)", connection) { Parameters = { new() { Value = left.Slot } } })
                {
                    await drop.ExecuteNonQueryAsync(ct);
                }

                log.LogInformation("slot {Slot} on {Server}, which {Source} does not want any more, was dropped", left.Slot, left.Server, left.Source);
                break;
        }

        await catalog.Command("DELETE FROM wal_slot WHERE source = $1 AND server = $2 AND slot = $3", left.Source, left.Server, left.Slot).RunAsync(ct);
    }

    /// <summary>True where somebody receives the source's WAL, or did a short time ago.</summary>
    private async Task<bool> IsReceivedAsync(Source source, CancellationToken ct) =>
        await wal.ReceiversAsync(source.Name, ct) is [var last, ..] && (last.IsAlive || last.MeasuredAt > time.GetUtcNow() - Quiet);

    /// <summary>True where the source's receiver has stored what its own slot does not keep.</summary>
    private async Task<bool> HasGoneOnAsync(Source source, NpgsqlConnection connection, string slot, CancellationToken ct)
    {
        await using var look = new NpgsqlCommand("SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = $1 AND active", connection) { Parameters = { new() { Value = slot } } };
        if (!Lsn.TryParse(await look.ExecuteScalarAsync(ct) as string, out var keeps))
        {
            return false;
        }

        await Task.Delay(CatalogDelay, time, ct);
        return await wal.ReceiversAsync(source.Name, ct) is [{ State: "streaming", ConfirmedLsn: { } confirmed }, ..] && (ulong)confirmed >= keeps.Value;
    }

    private void Say(WalSlotRow left, string why)
    {
        if (_said.Add(left))
        {
            log.LogWarning(
                "slot {Slot} on {Server} was made for the WAL of {Source}, and the server keeps WAL for it until its disk is full: {Why}. Dropped there by: SELECT pg_drop_replication_slot('{Slot}')",
                left.Slot, left.Server, left.Source, why, left.Slot);
        }
    }
}
