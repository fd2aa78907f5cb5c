using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>The documents of one kind, as they were listed.</summary>
internal sealed class CapturedKind(KubeResource resource) : IDisposable
{
    private readonly List<CapturedObject> _objects = [];

    public KubeResource Resource { get; } = resource;

    public ObjectSpool Spool { get; } = new();

    /// <summary>Offsets are those in this kind's documents alone.</summary>
    public IReadOnlyList<CapturedObject> Objects => _objects;

    public int Listed { get; private set; }

    public string? Problem { get; private set; }

    /// <summary>Names of the custom kinds that this one defines, where it is the kind of definitions.</summary>
    public List<string> Defines { get; } = [];

    /// <summary>Services with a selector, by namespace and name, where it is the kind of Services.</summary>
    public List<(string Namespace, string Name)> Selecting { get; } = [];

    /// <summary>Which objects count at all; null for all of them.</summary>
    public Func<JsonObject, bool>? Counts { get; set; }

    public void Add(IReadOnlyList<JsonObject> page)
    {
        foreach (var value in page)
        {
            if (Counts?.Invoke(value) == false)
            {
                continue;
            }

            Listed++;
            var metadata = value["metadata"] as JsonObject ?? [];
            var uid = metadata["uid"]?.GetValue<string>() ?? "";
            var isTerminating = metadata["deletionTimestamp"] is not null;
            var key = KubeObjectKey.Of(value);
            if (key is { Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition" })
            {
                Defines.Add(key.Name);
            }
            else if (key is { Group: "", Kind: "Service" } && value["spec"]?["selector"] is JsonObject { Count: > 0 })
            {
                Selecting.Add((key.Namespace, key.Name));
            }

            var (isFinished, ports) = (ObjectRules.IsFinished(value), ObjectCleaning.AssignedPorts(value));
            var document = Encoding.UTF8.GetBytes(ObjectYaml.Write(ObjectCleaning.Clean(value)));
            _objects.Add(new CapturedObject(Resource.ApiVersion, Resource.Kind, key.Namespace, key.Name, uid, "", Spool.Length, document.Length, DigestOf(document), isTerminating)
            {
                IsFinished = isFinished,
                AssignedPorts = ports,
                IsMadeAnew = ObjectRules.NeverRestored(value, wasTerminating: false) is not null,
                SteadyDigest = SteadyDigestOf(value),
            });
            Spool.Append(document);
        }
    }

    public void Restart()
    {
        Spool.Clear();
        _objects.Clear();
        Defines.Clear();
        Selecting.Clear();
        Listed = 0;
    }

    /// <summary>Half a list is no list: what was read of it is not kept.</summary>
    public void Fail(string problem)
    {
        Restart();
        Problem = problem;
    }

    public void Dispose() => Spool.Dispose();

    private static string DigestOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 8));

    /// <summary>Autoscalers write the number of replicas, and the deployment controller counts its revisions, whatever people do.</summary>
    private static string? SteadyDigestOf(JsonObject cleaned)
    {
        if (cleaned["spec"] is not JsonObject spec || !spec.ContainsKey("replicas"))
        {
            return null;
        }

        var steady = cleaned.DeepClone().AsObject();
        steady["spec"]!.AsObject().Remove("replicas");
        (steady["metadata"]?["annotations"] as JsonObject)?.Remove("deployment.kubernetes.io/revision");
        return DigestOf(Encoding.UTF8.GetBytes(steady.ToJsonString()));
    }
}

/// <summary>Lists everything that a cluster has, all kinds at the same time within the server's budget.</summary>
internal sealed class ClusterCapture : IDisposable
{
    private const int Attempts = 4;
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(1);
    private readonly List<CapturedKind> _kinds;
    private readonly KubeCatalogue _catalogue;

    private ClusterCapture(KubeCatalogue catalogue, List<CapturedKind> kinds)
    {
        _catalogue = catalogue;
        _kinds = kinds;
    }

    /// <summary>The original's fifteen; one that the server does not know is told.</summary>
    private static readonly string[] s_expected =
    [
        "namespaces", "deployments.apps", "services", "ingresses.networking.k8s.io", "configmaps", "secrets", "persistentvolumes", "persistentvolumeclaims",
        "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
        "networkpolicies.networking.k8s.io", "podsecuritypolicies.policy", "serviceaccounts",
    ];

    public string KubernetesVersion => _catalogue.KubernetesVersion;

    /// <summary>What the server offers.</summary>
    public KubeCatalogue Catalogue => _catalogue;

    public IReadOnlyList<CapturedKind> Kinds => _kinds;

    /// <summary>Reads a whole cluster, or of one namespace what is in it.</summary>
    public static async Task<ClusterCapture> ReadAsync(KubeApi api, string? ns, Action<int>? listed, CancellationToken cancellationToken)
    {
        var catalogue = await KubeDiscovery.DiscoverAsync(api, cancellationToken, "list", "get", "create", "delete").ConfigureAwait(false);
        var kinds = catalogue.Resources.Where(resource => ObjectRules.NotCaptured(resource.Name) is null && (ns is null || resource.IsNamespaced)).Select(resource => new CapturedKind(resource)).ToList();
        var count = 0;
        try
        {
            // The longest lists first, by what is usual: one that begins last would be waited for alone.
            var order = kinds.OrderBy(kind => kind.Resource.Name is "configmaps" or "secrets" or "pods" or "serviceaccounts" or "replicasets.apps" ? 0 : 1).ToLookup(kind => IsOfServices(kind.Resource));
            await ReadAllAsync(order[false]).ConfigureAwait(false);
            // The Services say which of them are a person's own.
            var selecting = kinds.SelectMany(kind => kind.Selecting).ToHashSet();
            foreach (var kind in order[true])
            {
                kind.Counts = value => ObjectRules.IsOwnEndpoints(value, selecting);
            }

            await ReadAllAsync(order[true]).ConfigureAwait(false);
            return new ClusterCapture(catalogue, kinds);
        }
        catch
        {
            kinds.ForEach(kind => kind.Dispose());
            throw;
        }

        Task ReadAllAsync(IEnumerable<CapturedKind> some) => Parallel.ForEachAsync(
            some, new ParallelOptions { MaxDegreeOfParallelism = api.Budget.Parallel * 2, CancellationToken = cancellationToken },
            (kind, token) => new ValueTask(ReadAsync(api, kind, ns, added => listed?.Invoke(Interlocked.Add(ref count, added)), token)));
    }

    private static bool IsOfServices(KubeResource resource) => resource.Name is "endpoints" or "endpointslices.discovery.k8s.io";

    /// <summary>Sentences for everything that is not as it should be, each naming what.</summary>
    public IEnumerable<string> Warnings()
    {
        foreach (var (group, problem) in _catalogue.Problems)
        {
            yield return $"API group {group} cannot be asked and is not in this restore point: {problem}";
        }

        foreach (var kind in _kinds.Where(kind => kind.Problem is not null))
        {
            yield return $"{kind.Resource.Name} could not be listed and are not in this restore point: {kind.Problem}";
        }

        foreach (var name in s_expected.Where(name => _catalogue.Resources.All(resource => resource.Name != name)))
        {
            yield return $"this server (Kubernetes {_catalogue.KubernetesVersion}) has no {name}";
        }
    }

    public List<KindCount> Counts() =>
    [
        .. _catalogue.Resources.Select(resource =>
        {
            var kind = _kinds.FirstOrDefault(one => one.Resource == resource);
            return new KindCount(
                resource.Name, resource.ApiVersion, resource.Kind, resource.IsNamespaced, kind?.Listed ?? 0, kind?.Objects.Count ?? 0, ObjectRules.NotCaptured(resource.Name), kind?.Problem);
        }),
    ];

    /// <summary>Why a kind could not be listed, itself or its whole group; null where it was.</summary>
    public string? Unlisted(string group, string kind) =>
        _kinds.FirstOrDefault(one => one.Problem is not null && one.Resource.Group == group && one.Resource.Kind == kind)?.Problem
        ?? (_kinds.Any(one => one.Problem is null && one.Resource.Group == group && one.Resource.Kind == kind)
            ? null
            : _catalogue.Problems.Where(problem => KubeObjectKey.GroupOf(problem.Key) == group).Select(problem => problem.Value).FirstOrDefault());

    /// <summary>What could not be read, by the artifact that it would be in.</summary>
    public SortedDictionary<string, List<string>> Unread()
    {
        var found = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var kind in _kinds.Where(kind => kind.Problem is not null))
        {
            Add(ArtifactOf(kind.Resource), kind.Resource.Name);
        }

        foreach (var group in _catalogue.Problems.Keys)
        {
            Add(VClusterArtifacts.Resources, group);
        }

        return found;

        void Add(string artifact, string name)
        {
            if (!found.TryGetValue(artifact, out var names))
            {
                found[artifact] = names = [];
            }

            names.Add(name);
        }
    }

    /// <summary>Which artifact a kind's documents go to.</summary>
    public string ArtifactOf(KubeResource resource)
    {
        var custom = _kinds.SelectMany(kind => kind.Defines).ToHashSet(StringComparer.Ordinal);
        return resource switch
        {
            { Group: "", Plural: "secrets" } => VClusterArtifacts.Secrets,
            { Group: "", Plural: "configmaps" } => VClusterArtifacts.Configuration,
            { Group: "apiextensions.k8s.io" } => VClusterArtifacts.CustomResources,
            _ when custom.Contains(resource.Name) => VClusterArtifacts.CustomResources,
            _ => VClusterArtifacts.Resources,
        };
    }

    public void Dispose() => _kinds.ForEach(kind => kind.Dispose());

    /// <summary>A kind whose list fails for a moment, or whose own server is started again, is listed again: without it a restore point is not whole.</summary>
    private static async Task ReadAsync(KubeApi api, CapturedKind kind, string? ns, Action<int> listed, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await ReadOnceAsync(api, kind, ns, listed, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (EngineException fault) when (fault.Code != "api-unreachable")
            {
                if (!fault.IsTransient || attempt == Attempts)
                {
                    kind.Fail(fault.Message);
                    return;
                }
            }

            kind.Restart();
            await Task.Delay(attempt * s_wait, api.Time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task ReadOnceAsync(KubeApi api, CapturedKind kind, string? ns, Action<int> listed, CancellationToken cancellationToken)
    {
        // The next page is on its way while the last one is cleaned and written.
        var work = Task.CompletedTask;
        try
        {
            await KubeListing.ReadAsync(
                api, kind.Resource, null,
                async page =>
                {
                    await work.ConfigureAwait(false);
                    listed(page.Count);
                    work = Task.Run(() => kind.Add(page), CancellationToken.None);
                },
                async () =>
                {
                    await work.ConfigureAwait(false);
                    kind.Restart();
                },
                ns, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await work.ConfigureAwait(false);
        }
    }
}
