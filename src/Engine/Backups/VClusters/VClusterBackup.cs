using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>A virtual cluster to capture.</summary>
public sealed record VClusterBackupRequest
{
    /// <summary>Source, workspace, class, time.</summary>
    public required BackupDescription Description { get; init; }

    /// <summary>How it is reached.</summary>
    public required VClusterSettings Settings { get; init; }

    /// <summary>Sources that back a claim of the host's namespace up by itself, by the claim's name there.</summary>
    public IReadOnlyDictionary<string, string> ClaimSources { get; init; } = new Dictionary<string, string>();

    /// <summary>Further properties of the manifest.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();
}

/// <summary>What a backup of a virtual cluster yielded.</summary>
/// <param name="Manifest">The committed restore point.</param>
/// <param name="Inventory">What it holds.</param>
public sealed record VClusterCaptured(Manifest Manifest, ClusterInventory Inventory);

/// <summary>
/// Captures a virtual cluster into one restore point: etcd's snapshot, every object by discovery as cleaned YAML,
/// configuration and Secrets apart, custom resources with their definitions, what it is on its host, and its claims' data. It changes nothing,
/// but that it stops the cluster for a moment where that is asked for.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="pauses">Keeps what is paused on this machine; null where nothing looks through it.</param>
public sealed class VClusterBackup(TimeProvider time, PauseLedger? pauses = null)
{
    /// <summary>The kind of a source and of the manifest.</summary>
    public const string Kind = "vcluster";

    /// <summary>The strategy in the manifest.</summary>
    public const string Strategy = "cluster";

    /// <summary>Captures the cluster.</summary>
    /// <param name="request">What to capture.</param>
    /// <param name="repository">Where it goes.</param>
    /// <param name="progress">Told objects and bytes.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <param name="cancellationToken">Ends the capture; then there is no restore point.</param>
    /// <exception cref="EngineException">
    /// <c>vcluster-missing</c>, <c>api-unreachable</c>, <c>etcd-unreachable</c>, <c>etcd-snapshot-damaged</c>, <c>vcluster-emptied</c>,
    /// <c>volume-emptied</c>, <c>vcluster-nothing-listed</c>, or what the store says. There is no restore point then.
    /// </exception>
    public async Task<VClusterCaptured> CaptureAsync(
        VClusterBackupRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(repository);
        var settings = request.Settings;
        using var access = await VClusterAccess.OpenAsync(settings, time, cancellationToken).ConfigureAwait(false);
        var pause = new ClusterPause(access, time);
        var purpose = "backup of " + request.Description.Source;
        if (await pause.ResumeAsync(purpose, cancellationToken).ConfigureAwait(false))
        {
            log?.Invoke("pause", $"{access.Name} was still paused by an interrupted backup; it has been resumed");
            await pause.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
        }

        using var api = await access.OpenVirtualAsync(settings, time, cancellationToken).ConfigureAwait(false);
        log?.Invoke("list", $"listing {access.Name} at {api.Address}");
        using var capture = await ClusterCapture.ReadAsync(api, null, count => progress?.Report(new TransferProgress("list", count, count, 0, 0, IsEstimate: true)), cancellationToken).ConfigureAwait(false);
        var points = (await repository.ListAsync(cancellationToken).ConfigureAwait(false)).Points.Where(point => point.Source == request.Description.Source && point.Kind == Kind).ToList();
        var last = points.LastOrDefault();
        var counted = RefuseEmptied(request, points, capture);
        using var host = await ClusterCapture.ReadAsync(access.Host, access.Namespace, null, cancellationToken).ConfigureAwait(false);

        var began = await repository.BeginAsync(Describe(request, capture, last), cancellationToken).ConfigureAwait(false);
        await using var session = began.ConfigureAwait(false);
        List<string> warnings = [.. capture.Warnings(), .. HostWarnings(host)];
        var etcd = await StoreEtcdAsync(settings, began, progress, log, warnings, cancellationToken).ConfigureAwait(false);
        if (settings is { Etcd: null, DataDirectory: not null })
        {
            await new StoreFileCapture(access, pause, request.Description.Source, purpose, pauses, time).StoreAsync(settings, began, progress, log, warnings, cancellationToken).ConfigureAwait(false);
        }

        var claims = await new ClaimVolumes(access, settings, request.ClaimSources).StoreAsync(repository, last, began, progress, log, warnings, cancellationToken).ConfigureAwait(false);
        var index = await StoreObjectsAsync(capture, began, progress, log, cancellationToken).ConfigureAwait(false);
        var unreadHost = UnreadHost(host);
        var hostDocuments = await StoreHostAsync(access, host, began, unreadHost, warnings, cancellationToken).ConfigureAwait(false);
        var inventory = new ClusterInventory
        {
            FormatVersion = ClusterInventory.CurrentVersion,
            Cluster = access.Name,
            HostNamespace = access.Namespace,
            KubernetesVersion = capture.KubernetesVersion,
            Kinds = capture.Counts(),
            UnreadGroups = capture.Catalogue.Problems,
            Etcd = etcd,
            Volumes = claims.Stored,
            MissingClaims = claims.Missing,
            UnreadableItems = claims.Unreadable,
            UnreadHostKinds = unreadHost,
            HostDocuments = hostDocuments,
            Warnings = warnings,
        };
        await StoreBytesAsync(began, VClusterArtifacts.Inventory, "inventory", inventory.ToJson(), cancellationToken).ConfigureAwait(false);
        foreach (var warning in warnings)
        {
            log?.Invoke("warning", warning);
        }

        log?.Invoke("commit", $"{inventory.Objects} objects of {inventory.Kinds.Count(kind => kind.Captured > 0)} kinds; committing");
        var manifest = await began.CommitAsync(Facts(inventory, index, counted, capture, host), Properties(request, inventory), cancellationToken).ConfigureAwait(false);
        return new VClusterCaptured(manifest, inventory);
    }

    private BackupDescription Describe(VClusterBackupRequest request, ClusterCapture capture, Manifest? last) => request.Description with
    {
        Kind = Kind,
        Strategy = Strategy,
        // What did not change of its volumes is taken over.
        Parent = request.Settings.VolumesDirectory is null ? null : last?.Id,
        CreatedAt = request.Description.CreatedAt ?? time.GetUtcNow(),
        ToolVersions = new Dictionary<string, string>(request.Description.ToolVersions) { ["kubernetes"] = capture.KubernetesVersion },
    };

    private static Dictionary<string, string> Properties(VClusterBackupRequest request, ClusterInventory inventory) => new(request.Properties)
    {
        ["strategy"] = Strategy,
        ["kubernetes"] = inventory.KubernetesVersion,
        ["warnings"] = inventory.Warnings.Count.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    private static JsonElement Facts(ClusterInventory inventory, List<CapturedObject> index, (SortedDictionary<string, int> Tenants, SortedDictionary<string, int> Whole) counted, ClusterCapture capture, ClusterCapture host) => JsonSerializer.SerializeToElement(new JsonObject
    {
        ["cluster"] = inventory.Cluster,
        ["kubernetesVersion"] = inventory.KubernetesVersion,
        ["objects"] = inventory.Objects,
        [EmptiedCheck.Total] = index.Count(EmptiedCheck.IsTenants),
        [EmptiedCheck.Tenants.Fact] = EmptiedCheck.FactOf(counted.Tenants),
        [EmptiedCheck.Whole.Fact] = EmptiedCheck.FactOf(counted.Whole),
        [VClusterFacts.Unread] = VClusterFacts.UnreadOf(capture, host, inventory.MissingClaims ?? []),
        ["namespaces"] = index.Count(one => one is { Kind: "Namespace", ApiVersion: "v1" }),
        ["etcdRevision"] = inventory.Etcd?.Revision,
        ["warnings"] = inventory.Warnings.Count,
    });

    /// <returns>How many objects each kind has, for the next backup.</returns>
    private static (SortedDictionary<string, int> Tenants, SortedDictionary<string, int> Whole) RefuseEmptied(VClusterBackupRequest request, List<Manifest> points, ClusterCapture capture)
    {
        if (capture.Kinds.All(kind => kind.Problem is not null))
        {
            throw new EngineException(
                "vcluster-nothing-listed", ErrorKind.Denied, $"no kind of object could be listed; the first said: {capture.Kinds.Select(kind => kind.Problem).FirstOrDefault()}",
                "give the user in the Secret the right to list");
        }

        var before = Enumerable.Reverse(points).Select(point => point.Facts).ToList();
        var (tenants, whole) = (EmptiedCheck.Tenants.Count(before, capture), EmptiedCheck.Whole.Count(before, capture));
        if (!request.Settings.MayBeEmptied && (EmptiedCheck.Tenants.Of(before, tenants) ?? EmptiedCheck.Whole.Of(before, whole)) is { } lost)
        {
            throw new EngineException(
                "vcluster-emptied", ErrorKind.Conflict, lost,
                "look whether this is the right cluster and what happened to it; where it is meant, set VCluster:MayBeEmptied for this source");
        }

        return (tenants, whole);
    }

    private static async Task<EtcdFacts?> StoreEtcdAsync(
        VClusterSettings settings, BackupSession session, IProgress<TransferProgress>? progress, Action<string, string>? log, List<string> warnings, CancellationToken cancellationToken)
    {
        if (settings is { Etcd: null, DataDirectory: not null })
        {
            return null;
        }

        if (settings.Etcd is null)
        {
            warnings.Add("the control plane's store is not in this restore point: VCluster:Etcd does not say how it is reached; a recovery in place is not possible from here");
            return null;
        }

        log?.Invoke("etcd", $"taking a snapshot of {settings.Etcd.Endpoint}");
        using var etcd = new EtcdSnapshot(settings.Etcd);
        var facts = await etcd.DescribeAsync(cancellationToken).ConfigureAwait(false);
        var content = etcd.Open(cancellationToken);
        await using (content.ConfigureAwait(false))
        {
            await session.WriteStreamAsync(VClusterArtifacts.Etcd, "etcd snapshot", content, progress, cancellationToken).ConfigureAwait(false);
        }

        return facts with { Bytes = etcd.Bytes, Sha256 = etcd.Sha256! };
    }

    private static async Task<List<CapturedObject>> StoreObjectsAsync(
        ClusterCapture capture, BackupSession session, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var index = new List<CapturedObject>();
        foreach (var artifact in VClusterArtifacts.OfObjects)
        {
            var kinds = capture.Kinds.Where(kind => capture.ArtifactOf(kind.Resource) == artifact)
                .OrderBy(kind => kind.Resource.Group == "apiextensions.k8s.io" ? 0 : 1).ThenBy(kind => kind.Resource.Name, StringComparer.Ordinal).ToList();
            index.AddRange(await StoreKindsAsync(session, artifact, kinds, progress, cancellationToken).ConfigureAwait(false));
        }

        log?.Invoke("store", $"{index.Count} objects stored");
        var lines = new StringBuilder();
        foreach (var one in index)
        {
            lines.Append(JsonSerializer.Serialize(one, VClusterJson.Default.CapturedObject)).Append('\n');
        }

        await StoreBytesAsync(session, VClusterArtifacts.Index, "index of objects", Encoding.UTF8.GetBytes(lines.ToString()), cancellationToken).ConfigureAwait(false);
        return index;
    }

    /// <summary>Writes the documents of several kinds one after the other and returns where each object went.</summary>
    private static async Task<List<CapturedObject>> StoreKindsAsync(
        BackupSession session, string artifact, List<CapturedKind> kinds, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var placed = new List<CapturedObject>();
        long offset = 0;
        foreach (var kind in kinds)
        {
            placed.AddRange(kind.Objects.Select(one => one with { Artifact = artifact, Offset = one.Offset + offset }));
            offset += kind.Spool.Length;
        }

        var content = new StreamsInTurn(kinds.Select(kind => (Func<Stream>)kind.Spool.Read));
        await using (content.ConfigureAwait(false))
        {
            await session.WriteStreamAsync(artifact, "kubernetes objects", content, progress, cancellationToken).ConfigureAwait(false);
        }

        return placed;
    }

    /// <summary>Volumes are objects of the whole host, which whoever may only enter the namespace does not see: the tenant's own are captured all the same.</summary>
    /// <returns>How many documents went into each artifact.</returns>
    private static async Task<IReadOnlyDictionary<string, int>> StoreHostAsync(
        VClusterAccess access, ClusterCapture host, BackupSession session, SortedDictionary<string, string> unread, List<string> warnings, CancellationToken cancellationToken)
    {
        var volumes = new CapturedKind(new KubeResource("", "v1", "persistentvolumes", "PersistentVolume", false));
        using (volumes)
        {
            try
            {
                var all = await KubeListing.AllAsync(access.Host, volumes.Resource, null, null, cancellationToken).ConfigureAwait(false);
                volumes.Add([.. all.Where(value => value["spec"]?["claimRef"]?["namespace"]?.GetValue<string>() == access.Namespace)]);
            }
            catch (EngineException fault) when (fault.Code != "api-unreachable")
            {
                unread[volumes.Resource.Name] = fault.Message;
                warnings.Add($"on the host, persistentvolumes could not be listed and are not in this restore point: {fault.Message}");
            }

            static bool IsSecret(CapturedKind kind) => kind.Resource is { Group: "", Plural: "secrets" };
            var objects = await StoreKindsAsync(session, VClusterArtifacts.HostObjects, [.. host.Kinds.Where(kind => !IsSecret(kind)), volumes], null, cancellationToken).ConfigureAwait(false);
            var secrets = await StoreKindsAsync(session, VClusterArtifacts.HostSecrets, [.. host.Kinds.Where(IsSecret)], null, cancellationToken).ConfigureAwait(false);
            return new Dictionary<string, int> { [VClusterArtifacts.HostObjects] = objects.Count, [VClusterArtifacts.HostSecrets] = secrets.Count };
        }
    }

    private static SortedDictionary<string, string> UnreadHost(ClusterCapture host) => new(
        host.Kinds.Where(kind => kind.Problem is not null).Select(kind => (kind.Resource.Name, Why: kind.Problem!))
            .Concat(host.Catalogue.Problems.Select(group => (Name: UnreadGroup(group.Key), Why: group.Value))).ToDictionary(one => one.Name, one => one.Why), StringComparer.Ordinal);

    /// <summary>The name by which an API group stands among the kinds of the host that could not be read.</summary>
    internal static string UnreadGroup(string version) => $"API group {version}";

    private static IEnumerable<string> HostWarnings(ClusterCapture host) =>
        host.Kinds.Where(kind => kind.Problem is not null).Select(kind => $"on the host, {kind.Resource.Name} could not be listed and are not in this restore point: {kind.Problem}")
            .Concat(host.Catalogue.Problems.Select(group => $"on the host, API group {group.Key} cannot be asked, and what it has in the namespace is not in this restore point: {group.Value}"));

    private static async Task StoreBytesAsync(BackupSession session, string artifact, string kind, byte[] bytes, CancellationToken cancellationToken)
    {
        var content = new MemoryStream(bytes, writable: false);
        await using (content.ConfigureAwait(false))
        {
            await session.WriteStreamAsync(artifact, kind, content, null, cancellationToken).ConfigureAwait(false);
        }
    }
}
