using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Recovery;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims.ClaimRig;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims;

/// <summary>A claim's volume is found by its cluster, and read where it is.</summary>
[Collection("vcluster")]
public sealed class ClaimTests(KubernetesLab kubernetes, CatalogServer catalog)
{
    private const string Plan = "volume-storage-failure";

    [Fact]
    public async Task Volume_that_is_a_directory_of_the_node_is_read_where_it_is_allowed_and_no_other_is()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        var volume = await rig.AddClaimAsync(rig.Data, spec: $$$"""{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["worker-9"]}]}]} } }""");
        Write(rig, "photos/a.jpg", "picture a");
        Write(rig, "photos/b.jpg", "picture b");

        var first = await rig.Volume.FactsAsync(await rig.Volume.BackupAsync());
        Assert.Equal(($"claim {rig.Namespace}/{Claim}", volume, rig.Data, 2, 2), (first.Path, first.Volume, first.ReadAt, first.Files, first.ChangedFiles));
        Write(rig, "photos/b.jpg", "picture b, newer");
        var second = await rig.Volume.FactsAsync(await rig.Volume.BackupAsync());
        Assert.Equal((2, 1), (second.Files, second.ChangedFiles));

        // Beside and in place as any volume, by the directory that was found.
        var place = await ClaimPlace.FindAsync(rig.Volume.Settings, TimeProvider.System, Ct);
        Assert.Equal(new ClaimPlace(rig.Data, volume, null), place);
        Write(rig, "photos/a.jpg", "encrypted");
        await rig.Volume.RestoreAsync($"dir:{place.Path}?inPlace=true&delete=true&verify=true");
        Assert.Equal("picture a", await File.ReadAllTextAsync(Path.Combine(rig.Data, "photos/a.jpg"), Ct));

        await RefusedAsync(rig, "claim-path-refused", "nothing says that it may be read", claim => claim with { VolumesDirectory = null });
        await RefusedAsync(rig, "claim-path-refused", "is not below", claim => claim with { VolumesDirectory = rig.Volume.Combine("elsewhere") });
        await RefusedAsync(rig, "claim-missing", "there is no claim", claim => claim with { Name = "another" });
        rig.Volume.Settings = rig.Volume.Settings with { Node = "worker-1" };
        rig.Volume.Nodes = new ServedNodes(["worker-1"]);
        await RefusedAsync(rig, "claim-elsewhere", "lies on worker-9", claim => claim);
        rig.Volume.Settings = rig.Volume.Settings with { Node = null };
        var claims = Of(rig.Namespace, "persistentvolumeclaims", "").TrimEnd('/');
        await rig.CreateAsync(claims, ClaimText("waiting", "", null));
        await RefusedAsync(rig, "claim-unbound", "(it is Pending)", claim => claim with { Name = "waiting" });
        await rig.CreateAsync(claims, ClaimText("device", "", null, "Block"));
        await RefusedAsync(rig, "claim-block", "volumeMode Block", claim => claim with { Name = "device" });
        var limited = await rig.LimitedAsync("""[{"apiGroups":[""],"resources":["persistentvolumeclaims"],"verbs":["get"]}]""");
        await RefusedAsync(rig, "api-forbidden", "persistentvolumes", claim => claim with { Kubeconfig = limited });
        await rig.Api.DeleteAsync($"/api/v1/persistentvolumes/{volume}", null, Ct);
        await rig.Api.PatchAsync($"/api/v1/persistentvolumes/{volume}", Json("""{"metadata":{"finalizers":null}}"""), Ct);
        await RefusedAsync(rig, "claim-volume-missing", $"the volume {volume}", claim => claim);
    }

    [Fact]
    public async Task Volume_that_its_driver_mounts_is_read_at_the_mount_of_a_Pod_of_this_node()
    {
        await using var rig = await StartAsync(kubernetes, catalog);
        var volume = await rig.AddClaimAsync(rig.Data, isMounted: true);
        Write(rig, "photos/a.jpg", "picture a");
        await RefusedAsync(rig, "claim-unmounted", "no running Pod uses it", claim => claim);
        await rig.AddPodAsync("web-0");
        var pod = await RunningAsync(rig, "web-0");

        var facts = await rig.Volume.FactsAsync(await rig.Volume.BackupAsync());
        Assert.Equal((volume, LabNode.PathOf(rig.Kubelet, pod, volume), 1, 1), (facts.Volume, facts.ReadAt, facts.Files, facts.ChangedFiles));
        Assert.Equal(facts.ReadAt, facts.MountPoint);
        rig.Volume.Settings = rig.Volume.Settings with { Node = rig.Namespace };
        Assert.Equal("volume-elsewhere", (await Assert.ThrowsAsync<EngineException>(() => rig.Volume.BackupAsync())).Code);
        rig.Volume.Nodes = new ServedNodes([rig.Namespace, "worker-1"]);

        // Another Pod of it has another mount of the same files; the mount that is gone is no volume that was emptied.
        await rig.Api.DeleteAsync(Of(rig.Namespace, "pods", "web-0"), null, Ct);
        await Eventually.UntilAsync(async () => await rig.Api.FindAsync(Of(rig.Namespace, "pods", "web-0"), Ct) is null, () => "the end of web-0", Ct);
        await RefusedAsync(rig, "claim-unmounted", "no running Pod uses it", claim => claim);
        await rig.AddPodAsync("web-1");
        var other = await RunningAsync(rig, "web-1");
        Assert.Equal(0, (await rig.Volume.FactsAsync(await rig.Volume.BackupAsync())).ChangedFiles);

        rig.Volume.Settings = rig.Volume.Settings with { Node = "worker-1" };
        await RefusedAsync(rig, "claim-unmounted", $"it is used by web-1 on {rig.Namespace}", claim => claim);
        rig.Volume.Settings = rig.Volume.Settings with { Node = rig.Namespace };
        await Shell.RunAsync("umount", LabNode.PathOf(rig.Kubelet, other, volume));
        try
        {
            await RefusedAsync(rig, "claim-unmounted", "is mounted below", claim => claim);
        }
        finally
        {
            await Shell.RunAsync("mount", "--bind", rig.Data, LabNode.PathOf(rig.Kubelet, other, volume));
        }
    }

    [Fact]
    public async Task Claim_is_recovered_by_a_plan_where_its_directory_stays_without_Pods_and_probed_where_it_is()
    {
        await using var claims = await StartAsync(kubernetes, catalog);
        await claims.AddClaimAsync(claims.Data);
        Write(claims, "photos/a.jpg", "picture a");
        await using var rig = new InPlaceRig(catalog, (name, _) => new Source(name, SourceKind.Volume, "standard", "shop") { Volume = claims.Volume.Settings });
        await rig.Library.SaveBuiltInAsync(Ct);
        await rig.BackUpAsync();
        Write(claims, "photos/a.jpg", "encrypted");
        var request = new PlanRequest(rig.Source.Name, "STORAGE_FAILURE");
        var plan = await rig.Recoveries.PlanAsync(Plan, request, Ct);
        Assert.Equal(claims.Data, plan.Target.DataDirectory);
        Assert.Contains("~ photos/a.jpg", plan.Steps[0].Does);

        var probes = new VolumeProbes(rig.Estate, catalog.Pool, claims.Volume.Ledger, claims.Volume.SnapshotLedger, TimeProvider.System).Probes;
        Assert.Equal(["path", "read", "inodes", "disk"], probes.Select(probe => probe.Name));
        Assert.All(await AskAsync(probes), answer => Assert.Equal(ProbeAnswer.Answered, answer));

        // The same claim of a volume that is there for us only while a Pod runs.
        await claims.Api.DeleteAsync(Of(claims.Namespace, "persistentvolumeclaims", Claim), null, Ct);
        await Eventually.UntilAsync(async () => await claims.Api.FindAsync(Of(claims.Namespace, "persistentvolumeclaims", Claim), Ct) is null, () => "the end of the claim", Ct);
        // Of the volume nothing is known then, and one probe alone says so.
        Directory.Move(claims.Data, claims.Data + ".moved");
        Assert.Equal([ProbeAnswer.Refused, ProbeAnswer.NotDetectable, ProbeAnswer.NotDetectable, ProbeAnswer.NotDetectable], await AskAsync(probes));
        await claims.AddClaimAsync(claims.Data, isMounted: true);
        await claims.AddPodAsync("web-0");
        await RunningAsync(claims, "web-0");
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PlanAsync(Plan, request, Ct));
        Assert.Equal("recovery-not-configured", fault.Code);
        Assert.Contains("only while Pod web-0 runs", fault.Message, StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<ProbeAnswer>> AskAsync(IReadOnlyList<IHealthProbe> probes)
    {
        var answers = new List<ProbeAnswer>();
        foreach (var probe in probes)
        {
            answers.Add((await probe.AskAsync(Ct)).Answer);
        }

        return answers;
    }

    private static async Task<string> RunningAsync(ClaimRig rig, string pod) =>
        (await rig.WaitAsync(Of(rig.Namespace, "pods", pod), found => found["status"]?["phase"]?.GetValue<string>() == "Running"))["metadata"]!["uid"]!.GetValue<string>();

    private static async Task RefusedAsync(ClaimRig rig, string code, string said, Func<ClaimSettings, ClaimSettings> change)
    {
        var settings = rig.Volume.Settings;
        rig.Volume.Settings = settings with { Claim = change(settings.Claim!) };
        var fault = await Assert.ThrowsAsync<EngineException>(() => rig.Volume.BackupAsync());
        rig.Volume.Settings = settings;
        Assert.Equal(code, fault.Code);
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
        Assert.NotNull(fault.Hint);
    }

    private static void Write(ClaimRig rig, string name, string content)
    {
        var path = Path.Combine(rig.Data, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }
}
