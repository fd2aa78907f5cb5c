using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Engine.Tests.Repository;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A real etcd whose revision is brought ahead of what watchers have seen.</summary>
public sealed class RevisionLeadTests : IDisposable
{
    private const string Member = "default";
    private const string Key = "/registry/configmaps/shop/a";
    private readonly TemporaryFolder _folder = new();
    private readonly ProcessRegistry _registry;

    public RevisionLeadTests() => _registry = new ProcessRegistry(_folder.Combine("processes"));

    private string Data => _folder.Combine("etcd.restored-test");

    private string Work => _folder.Combine("etcd.restored-test.work");

    [Fact]
    public async Task Store_is_past_the_revision_with_its_content_and_older_watches_and_lists_are_told_so()
    {
        var seen = await MakeAsync();
        var lead = new RevisionLead(_registry, TimeProvider.System);

        Assert.Null(await lead.RaiseAsync(Data, Member, Work, seen + 1000, null, Ct));

        Assert.True(lead.Reached >= seen + 1000, $"{lead.Reached}, to be at {seen + 1000}");
        Assert.False(Directory.Exists(Work));
        Assert.Empty(_registry.List());
        // Again, from where it is: what was written until the cluster had stopped.
        var reached = lead.Reached;
        Assert.Null(await lead.RaiseAsync(Data, Member, Work, reached + 10, null, Ct));
        Assert.InRange(lead.Reached, reached + 10, reached + 20);

        await using var etcd = await OpenAsync();
        var all = await new KV.KVClient(etcd.Channel).RangeAsync(new RangeRequest { Key = ByteString.CopyFrom([0]), RangeEnd = ByteString.CopyFrom([0]) }, cancellationToken: Ct);
        Assert.Equal((Key, "5"), (all.Kvs.Single().Key.ToStringUtf8(), all.Kvs.Single().Value.ToStringUtf8()));
        Assert.Equal(lead.Reached, all.Header.Revision);
        Assert.Contains("compacted", (await Assert.ThrowsAsync<RpcException>(async () =>
            await new KV.KVClient(etcd.Channel).RangeAsync(new RangeRequest { Key = ByteString.CopyFromUtf8(Key), Revision = seen }, cancellationToken: Ct))).Status.Detail, StringComparison.Ordinal);
        using var watch = new Watch.WatchClient(etcd.Channel).Watch(cancellationToken: Ct);
        await watch.RequestStream.WriteAsync(new WatchRequest { CreateRequest = new WatchCreateRequest { Key = ByteString.CopyFromUtf8(Key), StartRevision = seen + 1 } }, Ct);
        while (await watch.ResponseStream.MoveNext(Ct) && !watch.ResponseStream.Current.Canceled)
        {
            Assert.Empty(watch.ResponseStream.Current.Events);
        }

        Assert.Equal(lead.Reached, watch.ResponseStream.Current.CompactRevision);
    }

    [Fact]
    public async Task Revision_that_is_too_far_away_is_named_and_the_store_stays_as_it_is()
    {
        var seen = await MakeAsync();
        var lead = new RevisionLead(_registry, TimeProvider.System);

        var why = await lead.RaiseAsync(Data, Member, Work, seen + RevisionLead.Longest + 1000, null, Ct);

        Assert.Contains("too far away to be written", why, StringComparison.Ordinal);
        await using var etcd = await OpenAsync();
        Assert.Equal(seen, (await new KV.KVClient(etcd.Channel).RangeAsync(new RangeRequest { Key = ByteString.CopyFromUtf8(Key) }, cancellationToken: Ct)).Header.Revision);
    }

    [Fact]
    public async Task Store_that_no_etcd_starts_over_says_so_and_leaves_no_process()
    {
        await WaitForProgramAsync();
        Directory.CreateDirectory(Path.Combine(Data, "member", "snap"));
        await File.WriteAllBytesAsync(Path.Combine(Data, "member", "snap", "db"), Noise(100_000), Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => new RevisionLead(_registry, TimeProvider.System).RaiseAsync(Data, Member, Work, 1000, null, Ct));

        Assert.Equal("server-start-failed", fault.Code);
        Assert.Empty(_registry.List());
        Assert.False(Directory.Exists(Work));
    }

    [Fact]
    public async Task Etcd_of_another_minor_version_than_the_clusters_is_not_used()
    {
        await WaitForProgramAsync();
        var lead = new RevisionLead(_registry, TimeProvider.System);
        var said = await ToolProcess.RunAsync(new ToolCommand(KubernetesBinaries.FindEtcd()!, ["--version"]), _registry, Ct);
        var here = said.Output.Split('\n')[0].Split(": ")[1].Trim();

        Assert.Null(await lead.WhyNotAsync(here, Ct));
        Assert.Equal($"the etcd of this machine is {here}, and the cluster's is 2.9.1", await lead.WhyNotAsync("2.9.1", Ct));
    }

    public void Dispose() => _folder.Dispose();

    private Task<PrivateEtcd> OpenAsync() => PrivateEtcd.StartAsync(KubernetesBinaries.FindEtcd()!, Data, Member, _folder.Combine("open"), _registry, TimeProvider.System, Ct);

    /// <summary>A store with one key that was written five times; returns its revision.</summary>
    private async Task<long> MakeAsync()
    {
        await WaitForProgramAsync();
        await using var etcd = await OpenAsync();
        var revision = 0L;
        for (var time = 1; time <= 5; time++)
        {
            revision = (await new KV.KVClient(etcd.Channel).PutAsync(new PutRequest { Key = ByteString.CopyFromUtf8(Key), Value = ByteString.CopyFromUtf8($"{time}") }, cancellationToken: Ct)).Header.Revision;
        }

        return revision;
    }

    private static Task WaitForProgramAsync() => Support.KubernetesLab.WaitForBuildAsync(Ct);
}
