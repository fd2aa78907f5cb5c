using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Whether a cluster has lost nearly everything since it was backed up before. A listing that succeeds and finds nothing is what a
/// wrong address, an emptied store or a disaster looks like; as a restore point it would push the good ones out. Each kind is
/// compared with the last restore point that listed it: one that could not list it says nothing of it. A kind that the server no
/// longer has is one without objects: whoever deletes a definition deletes all that it defines.
/// </summary>
internal sealed class EmptiedCheck
{
    /// <summary>The fact of a restore point that has the sum of <see cref="Tenants"/>, in older builds' too.</summary>
    public const string Total = "tenantObjects";

    private readonly Func<CapturedObject, bool> _counts;
    private readonly string _place;

    private EmptiedCheck(string fact, string place, Func<CapturedObject, bool> counts) => (Fact, _place, _counts) = (fact, place, counts);

    /// <summary>The namespaces of tenants: whatever every cluster has is in none of them, so that of a lost one nothing is left.</summary>
    public static EmptiedCheck Tenants { get; } = new("tenantKinds", "the cluster's namespaces hold", IsTenants);

    /// <summary>All of the cluster: a tenant may keep everything in namespace default, or in objects of the whole cluster.</summary>
    public static EmptiedCheck Whole { get; } = new("allKinds", "the cluster holds", one => !one.IsMadeAnew && !IsOfEveryCluster(one));

    /// <summary>The fact of a restore point that has the counts.</summary>
    public string Fact { get; }

    /// <summary>Fewer objects than this may vanish but for a few without a question.</summary>
    private const int Noticeable = 1000;

    /// <summary>Fewer than this may vanish altogether.</summary>
    private const int Few = 100;

    /// <summary>Kinds that controllers make and remove: a tenant that is scaled to nothing has none.</summary>
    private static readonly string[] s_comeAndGo = ["pods", "replicasets.apps", "controllerrevisions.apps", "jobs.batch", "endpoints", "endpointslices.discovery.k8s.io"];

    /// <summary>Names of what distributions install into each cluster.</summary>
    private static readonly string[] s_ofDistributions = ["coredns", "kube-dns", "system:coredns", "system:kube-dns", "local-path", "metrics-server"];

    /// <summary>How many of the objects that count each listed kind has.</summary>
    public SortedDictionary<string, int> Count(ClusterCapture capture) => new(
        capture.Kinds.Where(kind => kind.Problem is null).ToDictionary(kind => kind.Resource.Name, kind => kind.Objects.Count(_counts)), StringComparer.Ordinal);

    /// <summary>
    /// The same with the kinds that the last restore point had and the server no longer knows, which have none. Those of a group that
    /// does not answer are not among them: nothing is known of them.
    /// </summary>
    /// <param name="before">As <see cref="Of"/> takes it.</param>
    /// <param name="capture">What is there now.</param>
    public SortedDictionary<string, int> Count(IEnumerable<JsonElement?> before, ClusterCapture capture)
    {
        var counted = Count(capture);
        var away = capture.Catalogue.Problems.Keys.Select(KubeObjectKey.GroupOf).ToHashSet(StringComparer.Ordinal);
        // The newest that counted says which kinds there were: what is older names such as were removed on purpose long ago.
        foreach (var name in Known(before.Where(facts => facts is { } some && some.TryGetProperty(Fact, out _)).Take(1)).Keys.Where(name => capture.Kinds.All(kind => kind.Resource.Name != name) && !away.Contains(GroupOf(name))))
        {
            counted[name] = 0;
        }

        return counted;

        static string GroupOf(string name) => name.Contains('.', StringComparison.Ordinal) ? name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..] : "";
    }

    /// <summary>The counts as a fact of a restore point; kinds without any are in it too, since they were listed, or are gone: the next one must not miss those again.</summary>
    public static JsonObject FactOf(SortedDictionary<string, int> counted) => new(counted.Select(kind => KeyValuePair.Create(kind.Key, (JsonNode?)JsonValue.Create(kind.Value))));

    /// <summary>True for an object that people or what they run have made: every cluster has others.</summary>
    public static bool IsTenants(CapturedObject one) =>
        one.Namespace.Length > 0 && one.Namespace != "default" && !one.Namespace.StartsWith("kube-", StringComparison.Ordinal);

    /// <summary>
    /// True for what an empty cluster has too: of its namespaces kube-… the accounts of its controllers, and what is the server's own by
    /// its name or kind, whether it is marked so or, by older servers, not.
    /// </summary>
    private static bool IsOfEveryCluster(CapturedObject one) => one switch
    {
        { Kind: "ServiceAccount", Namespace: "kube-system" } => true,
        { Kind: "PriorityClass" } => one.Name.StartsWith("system-", StringComparison.Ordinal),
        { Kind: "FlowSchema" or "PriorityLevelConfiguration" } => true,
        { Kind: "ClusterRole" or "ClusterRoleBinding" } when one.Name.StartsWith("system:", StringComparison.Ordinal) => true,
        _ => (one.Namespace.Length == 0 || one.Namespace.StartsWith("kube-", StringComparison.Ordinal)) && s_ofDistributions.Contains(one.Name),
    };

    /// <summary>What has vanished, for a message; null where nothing has that counts.</summary>
    /// <param name="before">The facts of the source's restore points, newest first.</param>
    /// <param name="now">How many objects each kind has that was listed now, or that is gone.</param>
    public string? Of(IEnumerable<JsonElement?> before, IReadOnlyDictionary<string, int> now)
    {
        var all = before.OfType<JsonElement>().ToList();
        var known = Known(all.Select(facts => (JsonElement?)facts));
        var newest = all.Where(facts => this == Tenants && facts.TryGetProperty(Total, out _)).Select(facts => (int?)facts.GetProperty(Total).GetInt32()).FirstOrDefault();
        var lost = now.Where(kind => !s_comeAndGo.Contains(kind.Key) && IsLoss(known.GetValueOrDefault(kind.Key), kind.Value, few: Noticeable)).OrderByDescending(kind => known[kind.Key]).Select(kind => kind.Key).FirstOrDefault();
        if (lost is not null)
        {
            return $"{_place} {now[lost]} {lost}, and the last backup that could list them had {known[lost]}";
        }

        var (was, left) = (Math.Max(newest ?? 0, now.Keys.Sum(kind => known.GetValueOrDefault(kind))), now.Values.Sum());
        return IsLoss(was, left, Few) ? $"{_place} {left} objects, and the last backup had {was}" : null;
    }

    /// <summary>How many objects each kind had in the last restore point that could list it.</summary>
    private Dictionary<string, int> Known(IEnumerable<JsonElement?> before)
    {
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var facts in before.OfType<JsonElement>())
        {
            if (facts.TryGetProperty(Fact, out var kinds))
            {
                foreach (var kind in kinds.EnumerateObject())
                {
                    known.TryAdd(kind.Name, kind.Value.GetInt32());
                }
            }
        }

        return known;
    }

    private static bool IsLoss(int before, int now, int few) => (before >= Noticeable && now < before / 100) || (before >= few && now == 0);
}
