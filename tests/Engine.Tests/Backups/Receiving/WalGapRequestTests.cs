using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>The whole way from a gap in the catalog to the base backup that closes it.</summary>
public sealed class WalGapRequestTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Gap_in_the_catalog_asks_for_a_base_backup_once_and_again_while_none_has_begun_behind_it()
    {
        var server = await lab.GetServerAsync(Ct);
        await using var rig = await CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Sources =
            [
                .. estate.Sources.Select(source => source with
                {
                    Postgres = source.Postgres! with { Mode = PostgresMode.Physical, Username = "postgres", PasswordFile = server.AdminPasswordFile, Tables = [], Wal = source.Postgres.Wal with { IsEnabled = true } },
                }),
            ],
        });
        await rig.Sources.ReconcileAsync(Ct);
        var wal = new WalCatalog(catalog.Pool);
        await using (var connection = new NpgsqlConnection(server.AdminConnection("postgres").ConnectionString + ";Pooling=false"))
        {
            await connection.OpenAsync(Ct);
            await using var ask = new NpgsqlCommand("SELECT system_identifier::text FROM pg_control_system()", connection);
            await catalog.Pool.Command(
                "INSERT INTO wal_gap (source, system_identifier, timeline, from_lsn, to_lsn, reason) VALUES ($1, $2, 1, '0/1', '0/2', 'the test says so')", rig.Source.Name, (string)(await ask.ExecuteScalarAsync(Ct))!).RunAsync(Ct);
        }

        // What was asked for does not depend on a server that answers: the receiver's may be the one that is away.
        var away = rig.Estate with { Sources = [rig.Source with { Postgres = rig.Source.Postgres! with { Port = 1 } }] };
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var receiving = new WalReceivers(
            catalog.Pool, rig.Tiers, away, wal, new BaseBackupRequests(rig.Requests), rig.Processes, LeaseTimes.Default, TimeProvider.System, NullLogger<WalReceivers>.Instance).SuperviseAsync(away.Sources[0], over.Token);
        var first = await AskedAsync(after: null);
        Assert.Contains("physical", first.RequestJson, StringComparison.Ordinal);
        Assert.NotNull((await OpenGapAsync())!.RequestedAt);

        // A run that came to nothing: asked again, a quarter of an hour later.
        await rig.Runs.CancelAsync(first.Id, "tester", Ct);
        await catalog.Pool.Command("UPDATE wal_gap SET requested_at = requested_at - interval '16 minutes' WHERE source = $1", rig.Source.Name).RunAsync(Ct);
        var second = await AskedAsync(after: first.Id);
        await over.CancelAsync();
        await receiving.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        var run = await rig.AdvanceAsync(second.Id);

        Assert.True(run.State == RunState.Completed, run.ErrorJson);
        Assert.Null(await OpenGapAsync());
        Assert.Equal(run.RestorePoint, Assert.Single(await wal.GapsAsync(rig.Source.Name, onlyOpen: false, Ct)).ClosedBy);

        async Task<WalGapRow?> OpenGapAsync() => (await wal.GapsAsync(rig.Source.Name, onlyOpen: true, Ct)).SingleOrDefault();

        async Task<Run> AskedAsync(RunId? after)
        {
            while (true)
            {
                if ((await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Backup, RunState.Queued, 5, Ct)).SingleOrDefault(one => one.Id != after) is { } asked && (await OpenGapAsync())?.RequestedAt is not null)
                {
                    return asked;
                }

                await Task.Delay(50, Ct);
            }
        }
    }
}
