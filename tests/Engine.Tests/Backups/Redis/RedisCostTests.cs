using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>What the catalog says of a Redis, and of what the backup cost it, is what the server itself says; what is nobody's is not said.</summary>
[Collection("Redis servers")]
public sealed class RedisCostTests(CatalogServer catalog)
{
    [Fact]
    public async Task Catalog_has_the_keys_of_each_database_and_the_cost_that_the_server_tells()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync();

        var backup = await rig.CaptureAsync(server.Backup);

        var facts = await InCatalogAsync(await rig.Repository.ReadManifestAsync(backup.BackupId, Ct));
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        var now = await SettledAsync(connection);
        Assert.Equal(now.Keys, facts.Keys);
        Assert.Equal(
            now.Databases.Select(database => $"db{database}:{now.Text($"db{database}")!.Split(",avg")[0]}"),
            facts.Databases.Select(database => string.Create(CultureInfo.InvariantCulture, $"{database.Name}:keys={database.Keys},expires={database.Expiring}")));
        Assert.Equal("master", facts.Role);
        Assert.Equal(now.Number("latest_fork_usec"), facts.Cost!.ForkMicroseconds);
        // The bytes were all there before the server knew what its child had copied.
        Assert.Equal(now.Number("rdb_last_cow_size"), facts.Cost.CopiedBytes);
        Assert.True(facts.Cost.CopiedBytes > 0);
        Assert.InRange(facts.Cost.WaitSeconds, 0, facts.Cost.Seconds);
    }

    [Fact]
    public async Task Cost_is_told_of_one_fork_and_of_no_other()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: 3);
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        var before = await RedisServerInfo.ReadAsync(connection, Ct);

        Assert.Null((await ReadAsync()).ForkMicroseconds);
        await server.RunAsync(Ct, "BGSAVE");
        var one = await ReadAsync();
        Assert.True(one is { ForkMicroseconds: > 0, CopiedBytes: not null });
        await server.RunAsync(Ct, "BGSAVE");
        var two = await ReadAsync();
        Assert.True(two is { ForkMicroseconds: null, CopiedBytes: null, UsedMemoryBytes: > 0 });

        Task<RedisCost> ReadAsync() => new RedisCostReading(TimeProvider.System).ReadAsync(connection, before, hasForked: true, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1), Ct);
    }

    [Fact]
    public async Task Snapshot_that_the_server_had_begun_for_another_replica_counts_from_its_own_moment_and_costs_nothing()
    {
        await using var rig = await CreateAsync();
        // A server that writes a file first hands it to every replica that asks meanwhile; so slowly that somebody can.
        var server = await rig.StartAsync(options: new LabRedisOptions { Settings = ["repl-diskless-sync no"] });
        await server.RunAsync(Ct, "CONFIG", "SET", "rdb-key-save-delay", "10000");
        await using var replica = await RedisConnection.OpenAsync(server.Backup, Ct);
        await FullSync.RequestAsync(replica, Ct);
        await Task.Delay(TimeSpan.FromSeconds(2), Ct);
        var asked = TimeProvider.System.GetUtcNow();

        var backup = await rig.CaptureAsync(server.Backup);

        var manifest = await rig.Repository.ReadManifestAsync(backup.BackupId, Ct);
        var facts = await InCatalogAsync(manifest);
        Assert.True(facts.TakenAt < asked - TimeSpan.FromSeconds(1), $"{facts.TakenAt:O} is not before {asked:O}");
        Assert.Equal(facts.TakenAt, manifest.CreatedAt);
        Assert.Equal(facts.TakenAt, backup.SnapshotAt);
        Assert.Null(facts.Cost!.ForkMicroseconds);
        Assert.Null(facts.Cost.CopiedBytes);
    }

    private async Task<RedisFacts> InCatalogAsync(Manifest manifest)
    {
        var row = await catalog.RecordAsync(manifest, Ct);
        return RedisFacts.TryParse(JsonElement.Parse(row.FactsJson!))!;
    }

    private static async Task<RedisServerInfo> SettledAsync(RedisConnection connection)
    {
        while (true)
        {
            var info = await RedisServerInfo.ReadAsync(connection, Ct);
            if (info.Number("rdb_bgsave_in_progress") == 0)
            {
                return info;
            }

            await Task.Delay(20, Ct);
        }
    }
}
