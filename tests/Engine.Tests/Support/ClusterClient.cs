using System.Diagnostics;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>The lab's virtual cluster for tests that make objects in it, capture it and plan restores of them.</summary>
public class ClusterClient(KubernetesLab kubernetes) : IAsyncDisposable
{
    /// <summary>Controllers need seconds; a test that waits longer says for what.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly List<BackupRepository> _repositories = [];
    private KubeApi? _api;

    public KubeApi Api => _api!;

    /// <summary>Where the newest restore point is.</summary>
    public BackupRepository Repository => _repositories[^1];

    public VClusterCaptured Captured { get; private set; } = null!;

    public StoredObjects Stored { get; private set; } = null!;

    /// <summary>What the restore point says of each object.</summary>
    public IReadOnlyList<CapturedObject> Index { get; private set; } = [];

    public async Task OpenAsync(CancellationToken cancellationToken) => _api ??= KubernetesLab.Api((await kubernetes.GetAsync(cancellationToken)).Clusters[0]);

    /// <summary>Makes a restore point of the cluster as it is.</summary>
    public async Task CaptureAsync(CancellationToken cancellationToken)
    {
        var lab = await kubernetes.GetAsync(cancellationToken);
        var repository = await RepositoryFixture.InitializeAsync(new CrashStore());
        _repositories.Add(repository);
        Captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "cases", Kind = VClusterBackup.Kind },
                Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
            },
            repository, null, null, cancellationToken);
        Stored = new StoredObjects(repository, Captured.Manifest);
        Index = await Stored.ReadIndexAsync(cancellationToken);
    }

    /// <summary>A plan for what the target's options select, as the command line has them.</summary>
    public Task<ObjectRestorePlan> PlanAsync(string options, CancellationToken cancellationToken) =>
        new RestorePlanner(Api).PlanAsync(Stored, SelectionOf(options), cancellationToken);

    /// <summary>Plans until the plan is as it should be: what a plan finds may follow a moment later.</summary>
    public async Task<ObjectRestorePlan> WaitPlanAsync(string options, Func<ObjectRestorePlan, bool> isSo, CancellationToken cancellationToken)
    {
        var plan = await PlanAsync(options, cancellationToken);
        await Eventually.UntilAsync(
            async () => isSo(plan) || isSo(plan = await PlanAsync(options, cancellationToken)),
            () => $"the plan of {options}: {string.Join("; ", plan.Objects.Select(one => $"{one.Action} {one.Target} {one.Reason}"))}", cancellationToken);
        return plan;
    }

    public async Task CreateAsync(string path, string json, CancellationToken cancellationToken)
    {
        var answer = await Api.CreateAsync(path, Json(json), false, cancellationToken);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    public async Task PatchAsync(string path, string json, CancellationToken cancellationToken)
    {
        var answer = await Api.PatchAsync(path, Json(json), cancellationToken);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    /// <summary>Deletes an object, whatever holds a volume, a claim or a namespace, and returns when it is gone.</summary>
    public async Task DeleteAsync(string path, CancellationToken cancellationToken)
    {
        if (path.Split('/') is ["", "api", "v1", "namespaces", var ns])
        {
            await NamespaceRemoval.RemoveAsync(Api, ns, cancellationToken);
            return;
        }

        await Api.DeleteAsync(path, null, cancellationToken);
        JsonObject? last = null;
        await Eventually.UntilAsync(
            async () =>
            {
                last = await Api.FindAsync(path, cancellationToken);
                if (last?["metadata"]!["finalizers"] is not null && last["kind"]!.GetValue<string>().StartsWith("PersistentVolume", StringComparison.Ordinal))
                {
                    await Api.PatchAsync(path, Json("""{"metadata":{"finalizers":null}}"""), cancellationToken);
                }

                return last is null;
            },
            () => $"the end of {path}: {last?.ToJsonString()}", cancellationToken);
    }

    /// <summary>Waits until an object is as it should be.</summary>
    public async Task<JsonObject> WaitAsync(string path, Func<JsonObject, bool> isSo, CancellationToken cancellationToken)
    {
        JsonObject? last = null;
        await Eventually.UntilAsync(
            async () => (last = await Api.FindAsync(path, cancellationToken)) is not null && isSo(last),
            () => $"{path}: {last?.ToJsonString() ?? "it is not there"}", cancellationToken);
        return last!;
    }

    public static RestoreSelection SelectionOf(string options) => ((VClusterTarget)RestoreTarget.Parse("vcluster:n/c?kubeconfig=/k&" + options, "/")).Selection;

    public static string Of(string ns, string plural, string name) => $"/api/v1/namespaces/{ns}/{plural}/{name}";

    public static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;

    public virtual async ValueTask DisposeAsync()
    {
        _api?.Dispose();
        foreach (var repository in _repositories)
        {
            await repository.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }
}
