using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>The directories of a restore in place: which of them is kept, and whose they are.</summary>
public sealed class StorePlacesTests : IDisposable
{
    private const string Operation = "R-1 of a test";
    private readonly TemporaryFolder _folder = new();

    private StorePlaces Places => StorePlaces.Of(_folder.Path, Operation);

    [Fact]
    public void Restored_store_that_was_in_its_place_is_kept_by_the_way_back_each_time()
    {
        var places = Places;
        for (var time = 1; time <= 2; time++)
        {
            Make(places.Living, "former");
            Make(places.Fresh, $"restored {time}");
            places.Exchange();
            Assert.True(places.IsExchanged);
            Assert.Equal($"restored {time}", Read(places.Living));

            places.ExchangeBack();

            Assert.Equal("former", Read(places.Living));
            Assert.False(Directory.Exists(places.Former));
            Assert.Equal(time, places.Kept.Count);
            Assert.Equal($"restored {time}", Read(places.Kept[^1]));
            Directory.Delete(places.Living, recursive: true);
        }
    }

    [Fact]
    public void Way_back_that_died_between_its_renames_is_told_from_an_exchange_that_did()
    {
        var places = Places;
        Make(places.Former, "former");
        Make(places.Fresh, "restored");
        Assert.Equal((false, false), (places.IsExchanged, places.IsGoingBack));

        Directory.Move(places.Fresh, places.Undone);
        Assert.Equal((false, true), (places.IsExchanged, places.IsGoingBack));

        places.ExchangeBack();
        Assert.Equal("former", Read(places.Living));
        Assert.Equal("restored", Read(Assert.Single(places.Kept)));
    }

    [Fact]
    public async Task Attempt_that_was_interrupted_after_the_exchange_and_fails_later_takes_nothing_back_by_itself()
    {
        var places = Places;
        Make(places.Former, "former");
        Make(places.Living, "restored, and written to since");
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);
        var plan = new RestorePlan
        {
            FormatVersion = RestorePlan.CurrentVersion, RestorePointId = manifest.Id.Value, ManifestHash = "00", Source = "tenant-a", Kind = VClusterInPlaceDriver.Kind,
            Target = $"vcluster:host/tenant-a?kubeconfig=/nowhere&store={_folder.Path}", Artifacts = [], Notes = [],
        };
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(new ProcessRegistry(_folder.Combine("processes")), new HastyTime()), new HastyTime());

        var undecided = await Assert.ThrowsAsync<NeedsDecisionException>(() => driver.ExecuteAsync(new RestoreWork(repository, manifest, plan, plan.Hash, Operation), Ct));

        Assert.Contains("it stays there", undecided.Message, StringComparison.Ordinal);
        Assert.Contains(_folder.Path, undecided.Message, StringComparison.Ordinal);
        Assert.Equal("restored, and written to since", Read(places.Living));
        Assert.Equal("former", Read(places.Former));

        // In a recovery a person is asked, and nothing is rolled back before.
        var context = new ActionContext(null!, null!, Operation, "", new Dictionary<string, System.Text.Json.JsonElement>(), new Progress<TransferProgress>(), _ => { }, Ct);
        Assert.Equal(undecided.Message, (await Assert.ThrowsAsync<UndecidedStepException>(() => StepWork.OfTheTargetAsync<int>(_ => throw undecided, context))).Message);
    }

    [Fact]
    public void Directory_of_another_volume_is_refused_and_one_that_cannot_be_told_is_named()
    {
        var (own, other) = (_folder.Combine("pvc-1"), _folder.Combine("pvc-10"));
        Make(Path.Combine(own, "etcd"), "ours");
        Make(Path.Combine(other, "etcd"), "another's");
        var volume = new BoundVolume("pv-1", ClusterClient.Json($$"""{"hostPath":{"path":"{{own}}"} }"""), "");

        Assert.Null(Judge(own, volume));
        Assert.Null(Judge(Path.Combine(own, "etcd"), volume));
        // By another way to the same place.
        File.CreateSymbolicLink(_folder.Combine("link"), own);
        Assert.Null(Judge(_folder.Combine("link"), volume));
        Assert.Equal("store-of-another", Assert.Throws<EngineException>(() => Judge(other, volume)).Code);
        Assert.Equal("store-of-another", Assert.Throws<EngineException>(() => Judge(_folder.Path, volume)).Code);

        Assert.Contains("is not on this machine", Judge(other, volume with { Spec = ClusterClient.Json("""{"local":{"path":"/nowhere/pvc-1"}}""") }), StringComparison.Ordinal);
        Assert.Contains("is no directory of a node (ebs)", Judge(other, volume with { Spec = ClusterClient.Json("""{"csi":{"driver":"ebs"}}""") }), StringComparison.Ordinal);
        Assert.Contains("it is bound to no volume", Judge(other, new BoundVolume("", null, "it is bound to no volume")), StringComparison.Ordinal);

        static string? Judge(string store, BoundVolume volume) => StoreOwner.Judge("tenant-a", store, volume, "data-tenant-a-0");
    }

    public void Dispose() => _folder.Dispose();

    private static void Make(string directory, string content)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "content"), content);
    }

    private static string Read(string directory) => File.ReadAllText(Path.Combine(directory, "content"));
}
