using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>What pages say that the next retention run gives up is what it gives up, also where only the stored timeline histories tell.</summary>
public sealed class RetentionPreviewTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Base_that_WAL_leads_on_from_along_a_new_timeline_stays_in_the_preview_as_in_the_run()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var (before, left, newest) = await SwitchedAsync(rig);
        rig.Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddDays(6));
        // Of the restore points alone nothing says that there is another timeline.
        var present = rig.Estate.ClassOf(rig.Source);
        var retained = (await rig.Points.RetainedAsync([rig.Source.Name], Ct))[rig.Source.Name];
        Assert.Equal(
            new[] { before, left }.Order(),
            TierRetention.Decide(retained, present.Retention, present.TierDays, ["hot", "warm"], rig.Time.GetUtcNow()).Where(one => !one.IsKept).Select(one => one.Point.Id).Order());

        var planning = rig.Planning;
        var preview = await planning.OfSourceAsync(rig.Source.Name, Ct);
        var ofTier = await planning.OfTierAsync(rig.Estate.TierNamed("hot"), rig.Source.Workspace, Ct);
        var simulation = await planning.SimulateAsync(rig.Source.Name, present.Retention with { Hourly = 1 }, present.TierDays, Ct);
        var run = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RetentionAsync("hot", 1, "tester", Ct)).Id);

        Assert.True(run.State == RunState.Completed, run.ErrorJson);
        var expired = Assert.Single(JsonSerializer.Deserialize<RetentionRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!.Workspaces, one => one.Workspace == rig.Source.Workspace).Expired;
        Assert.Equal([left], expired.Select(point => point.Id.Value));
        Assert.Equal([left], preview.Where(one => !one.IsKept).Select(one => one.Point.Id));
        Assert.Equal([left], ofTier.Where(one => !one.IsKept).Select(one => one.Point.Id));
        Assert.Equal(KeepCause.LeadsToTimeline, Assert.Single(preview.Single(one => one.Point.Id == before).Reasons).Cause);
        Assert.Equal(new[] { before, newest }.Order(), simulation.Kept.Select(point => point.Id).Order());
    }

    [Fact]
    public async Task Tier_that_does_not_answer_gives_up_no_base_in_the_preview_either()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await SwitchedAsync(rig);
        rig.Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddDays(6));
        Directory.Move(rig.Store("hot"), rig.Store("hot") + ".away");
        rig.TakeDown("hot");

        var preview = await rig.Planning.OfSourceAsync(rig.Source.Name, Ct);
        var run = await rig.AdvanceAsync((await new TierRequests(rig.Requests, rig.Estate).RetentionAsync("hot", 1, "tester", Ct)).Id);

        Assert.Equal((RunState.Completed, null), (run.State, run.ErrorJson));
        Assert.DoesNotContain(JsonSerializer.Deserialize<RetentionRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!.Workspaces, one => one.Workspace == rig.Source.Workspace);
        Assert.Equal(3, (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Count);
        Assert.All(preview, one => Assert.True(one.IsKept));
        Assert.Equal(2, preview.Count(one => one.Reasons is [{ Cause: KeepCause.LinesUnknown, Detail: not null }]));
    }

    /// <summary>Three base backups of one hour on timeline 1, the second behind the place where timeline 2 left it; WAL of both goes on.</summary>
    private async Task<(string Before, string Left, string Newest)> SwitchedAsync(BackupRig rig)
    {
        await using var repository = await rig.Tiers.OpenOrCreateAsync(rig.Estate.TierNamed("hot"), rig.Source.Workspace, Ct);
        var archive = await repository.OpenDescribedAsync(rig.Source.Name);
        var points = new List<string>();
        foreach (var segment in (int[])[1, 4, 8])
        {
            points.Add(await BaseAsync(rig, repository, segment));
        }

        for (var segment = 1; segment <= 9; segment++)
        {
            await archive.StoreAsync(segment);
        }

        await archive.StoreHistoryAsync(2, History((1, At(3))), Ct);
        for (var segment = 3; segment <= 6; segment++)
        {
            await archive.StoreAsync(segment, timeline: 2, seed: 7);
        }

        return (points[0], points[1], points[2]);
    }

    private async Task<string> BaseAsync(BackupRig rig, BackupRepository repository, int segment)
    {
        await using var session = await repository.BeginAsync(
            new BackupDescription { Source = rig.Source.Name, Kind = "postgres", Workspace = rig.Source.Workspace, Class = rig.Source.Class, Strategy = PhysicalBackup.Strategy }, Ct);
        await session.WriteStreamAsync("base", "test", new MemoryStream(RepositoryFixture.Noise(500, segment)), null, Ct);
        var manifest = await session.CommitAsync(null, new Dictionary<string, string>
        {
            [PhysicalBackup.SystemProperty] = Cluster.ToString(CultureInfo.InvariantCulture),
            [PhysicalBackup.TimelineProperty] = "1",
            [PhysicalBackup.StartProperty] = new Lsn(At(segment)).ToString(),
            [PhysicalBackup.StopProperty] = new Lsn(At(segment, 100)).ToString(),
        }, Ct);
        await catalog.RecordAsync(manifest, Ct);
        // All of one hour, whenever the test runs, so that the ladder keeps the newest alone.
        await catalog.Pool.Command(
            "UPDATE restore_point SET created_at = date_trunc('hour', now()) - interval '1 hour' + make_interval(secs => $2), properties = properties || '{\"strategy\": \"physical\"}' WHERE id = $1",
            manifest.Id.Value, (double)segment).RunAsync(Ct);
        await catalog.Pool.Command("INSERT INTO restore_point_tier (restore_point, tier, state, stored_at) VALUES ($1, 'hot', 'stored', now())", manifest.Id.Value).RunAsync(Ct);
        return manifest.Id.Value;
    }
}
