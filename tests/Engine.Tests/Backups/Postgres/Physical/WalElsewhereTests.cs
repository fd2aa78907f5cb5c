using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical.OwnCluster;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

/// <summary>A cluster whose pg_wal is a link, as <c>initdb --waldir</c> makes it.</summary>
public sealed class WalElsewhereTests(OwnCluster cluster) : IClassFixture<OwnCluster>
{
    [Fact]
    public async Task Validation_and_restore_leave_the_living_servers_WAL_alone()
    {
        var (data, wal) = (cluster.Server.DataFolder, cluster.Folder.Combine("wal"));
        await cluster.Server.StopAsync(Ct);
        Directory.Move(Path.Combine(data, "pg_wal"), wal);
        Directory.CreateSymbolicLink(Path.Combine(data, "pg_wal"), wal);
        await cluster.Server.StartAsync(Ct);
        await cluster.ExecuteAsync("CREATE TABLE kept AS SELECT g FROM generate_series(1, 1000) g");
        var point = await cluster.CaptureAsync();
        // In the segment that the backup ends in, behind its end.
        await cluster.ExecuteAsync("INSERT INTO kept SELECT g FROM generate_series(1001, 2000) g");
        await cluster.Server.KillAsync(Ct);
        var living = Segments();

        var validation = await cluster.ValidateAsync(point.BackupId);
        var target = new PgDataTarget(cluster.Folder.Combine("restored"));
        var restore = new PhysicalRestore(cluster.Registry, TimeProvider.System);
        var manifest = await cluster.Repository.ReadManifestAsync(point.BackupId, Ct);
        var plan = await restore.PlanAsync(cluster.Repository, manifest, target, Ct);
        await restore.ExecuteAsync(cluster.Repository, manifest, plan, plan.Hash, "R-1 of now", null, null, Ct);

        Assert.True(validation.OverallPassed, Text(validation));
        Assert.Equal(living, Segments());
        var own = new DirectoryInfo(Path.Combine(target.Path, "pg_wal"));
        Assert.True(own is { Exists: true, LinkTarget: null });
        Assert.NotEmpty(own.EnumerateFiles());
        await cluster.Server.StartAsync(Ct);
        Assert.Equal(2000L, await cluster.ScalarAsync<long>("SELECT count(*) FROM kept"));

        List<string> Segments() => [.. Directory.EnumerateFiles(wal).Order(StringComparer.Ordinal).Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))[..16]}")];
    }
}
