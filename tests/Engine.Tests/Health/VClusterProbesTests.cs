using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>What a real virtual cluster answers while it runs, while it is stopped, and to somebody it does not know.</summary>
[Collection("vcluster")]
public sealed class VClusterProbesTests(KubernetesLab kubernetes) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Running_cluster_answers_a_stopped_one_is_told_apart_and_one_that_came_back_answers_again()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var settings = KubernetesLab.Settings(lab, lab.Clusters[0]);
        using var probes = Probes(settings);
        Assert.True(probes.Probes.Select(probe => probe.Kind).Distinct().Count() >= 2);
        Assert.All(await AskAsync(probes), answer => Assert.Equal(ProbeAnswer.Answered, answer.Answer));

        using var access = await VClusterAccess.OpenAsync(settings, TimeProvider.System, Ct);
        var pause = new ClusterPause(access, TimeProvider.System);
        Assert.True(await pause.PauseAsync("probe test", Ct));
        try
        {
            // Once with connections from before, once with none.
            foreach (var _ in Enumerable.Range(0, 2))
            {
                Assert.All(await AskAsync(probes), answer =>
                {
                    Assert.Equal(ProbeAnswer.Refused, answer.Answer);
                    Assert.Contains("0 replicas", answer.Detail, StringComparison.Ordinal);
                });
                var host = await AskHostAsync(probes);
                Assert.Equal(ProbeAnswer.Answered, host.Answer);
                Assert.EndsWith("with 0 of 0 ready", host.Detail, StringComparison.Ordinal);
            }
        }
        finally
        {
            await pause.ResumeAsync("probe test", Ct);
            Assert.True(await pause.WaitReadyAsync(Ct));
        }

        Assert.All(await AskAsync(probes), answer => Assert.Equal(ProbeAnswer.Answered, answer.Answer));
    }

    [Fact]
    public async Task Cluster_that_is_not_there_and_a_host_that_refuses_are_no_silence()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var settings = KubernetesLab.Settings(lab, lab.Clusters[0]);
        using var missing = Probes(settings with { Name = "nobody" });
        Assert.All(await AskAsync(missing), answer => Assert.Equal((ProbeAnswer.Refused, "vcluster-missing"), (answer.Answer, answer.Code)));
        Assert.Equal((ProbeAnswer.Answered, "vcluster-missing"), await AskHostAsync(missing) is var said ? (said.Answer, said.Code) : default);

        var kubeconfig = _folder.Write("closed.kubeconfig", System.Text.Encoding.UTF8.GetBytes("""
            apiVersion: v1
            kind: Config
            clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: a, user: {token: t}}]
            contexts: [{name: a, context: {cluster: a, user: a}}]
            current-context: a
            """));
        using var closed = Probes(settings with { Kubeconfig = kubeconfig });
        Assert.All(await AskAsync(closed), answer => Assert.Equal(ProbeAnswer.Refused, answer.Answer));
        Assert.Equal(ProbeAnswer.NoAnswer, (await AskHostAsync(closed)).Answer);
    }

    public void Dispose() => _folder.Dispose();

    private VClusterProbes Probes(VClusterSettings settings) => new(
        new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [new Source("tenant-a", SourceKind.VCluster, "important", "tenant-a") { VCluster = settings with { Server = null } }], []), TimeProvider.System);

    private static Task<ProbeFinding[]> AskAsync(VClusterProbes probes) => Task.WhenAll(probes.Probes.Where(probe => probe.Kind != ProbeKind.Host).Select(probe => probe.AskAsync(Ct)));

    private static Task<ProbeFinding> AskHostAsync(VClusterProbes probes) => probes.Probes.Single(probe => probe.Kind == ProbeKind.Host).AskAsync(Ct);
}
