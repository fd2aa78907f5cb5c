using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>Asks an API server what kinds of objects it has.</summary>
public static class KubeDiscovery
{
    /// <summary>Kinds that one object has under two groups: the older group's is left to the newer one.</summary>
    private static readonly string[] s_formerGroups = ["extensions"];

    /// <summary>So often a group is asked that does not answer: without it a backup lacks all its kinds. One that stays away must not hold up everything else for long.</summary>
    private const int Attempts = 3;

    private static readonly TimeSpan s_wait = TimeSpan.FromMilliseconds(500);

    /// <summary>Asks for all groups. One that does not answer is a problem with its name, not a failure.</summary>
    /// <param name="needed">What a kind must be able to do, for example <c>list</c>.</param>
    /// <exception cref="EngineException"><c>api-unreachable</c>, <c>api-unauthorized</c>.</exception>
    public static async Task<KubeCatalogue> DiscoverAsync(KubeApi api, CancellationToken cancellationToken, params string[] needed)
    {
        ArgumentNullException.ThrowIfNull(api);
        var version = (await GetAsync(api, "/version", cancellationToken).ConfigureAwait(false))["gitVersion"]?.GetValue<string>() ?? "unknown";
        var groups = (await GetAsync(api, "/apis", cancellationToken).ConfigureAwait(false))["groups"] as JsonArray ?? [];
        List<(string Group, string Version, string Path)> asked = [("", "v1", "/api/v1")];
        foreach (var group in groups.OfType<JsonObject>())
        {
            var name = group["name"]!.GetValue<string>();
            var preferred = group["preferredVersion"]?["version"]?.GetValue<string>();
            // The preferred version first: a kind that it has is taken from it.
            var versions = (group["versions"] as JsonArray ?? []).Select(entry => entry!["version"]!.GetValue<string>()).OrderBy(one => one == preferred ? 0 : 1);
            asked.AddRange(versions.Select(one => (name, one, $"/apis/{name}/{one}")));
        }

        var answers = await Task.WhenAll(asked.Select(one => AskAsync(api, one.Path, cancellationToken))).ConfigureAwait(false);
        var found = new Dictionary<(string, string), KubeResource>();
        var served = new List<KubeResource>();
        var problems = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var at = 0; at < asked.Count; at++)
        {
            var (group, one, _) = asked[at];
            if (answers[at].Problem is { } problem)
            {
                problems[group.Length == 0 ? one : $"{group}/{one}"] = problem;
                continue;
            }

            foreach (var resource in answers[at].Resources.Where(resource => Serves(resource, needed)))
            {
                var plural = resource["name"]!.GetValue<string>();
                var kind = new KubeResource(group, one, plural, resource["kind"]!.GetValue<string>(), resource["namespaced"]!.GetValue<bool>());
                served.Add(kind);
                found.TryAdd((group, plural), kind);
            }
        }

        return new KubeCatalogue(version, [.. WithoutFormerGroups(found.Values).OrderBy(resource => resource.Name, StringComparer.Ordinal)], problems) { Served = served };
    }

    private static IEnumerable<KubeResource> WithoutFormerGroups(ICollection<KubeResource> all) => all.Where(resource =>
        !s_formerGroups.Contains(resource.Group) || !all.Any(other => other.Plural == resource.Plural && other.Group != resource.Group));

    private static bool Serves(JsonObject resource, string[] needed) =>
        !resource["name"]!.GetValue<string>().Contains('/', StringComparison.Ordinal)
        && (resource["verbs"] as JsonArray ?? []).Select(verb => verb!.GetValue<string>()).ToHashSet().IsSupersetOf(needed);

    private static async Task<(IReadOnlyList<JsonObject> Resources, string? Problem)> AskAsync(KubeApi api, string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(api, path, cancellationToken).ConfigureAwait(false);
        return answer.IsSuccess ? ([.. (answer.Body?["resources"] as JsonArray ?? []).OfType<JsonObject>()], null) : ([], answer.Message);
    }

    private static async Task<JsonObject> GetAsync(KubeApi api, string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(api, path, cancellationToken).ConfigureAwait(false);
        return answer is { IsSuccess: true, Body: { } body } ? body : throw answer.ToFault($"GET {path} at {api.Address}");
    }

    private static async Task<KubeAnswer> SendAsync(KubeApi api, string path, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false);
            if (answer.Status is not (>= 500 or 429) || attempt == Attempts)
            {
                return answer;
            }

            await Task.Delay(attempt * s_wait, api.Time, cancellationToken).ConfigureAwait(false);
        }
    }
}
