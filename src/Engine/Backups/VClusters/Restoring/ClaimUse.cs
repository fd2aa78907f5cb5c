using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Which Pods that a restore has brought about write into claims whose data it brought. Their owners are gone before them: data that
/// were taken back under a Pod that ends a moment later would be written over by it.
/// </summary>
internal static class ClaimUse
{
    private static readonly KubeResource s_pods = new("", "v1", "pods", "Pod", true);
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(1);

    /// <summary>Waits until no Pod that was made since then uses the claims.</summary>
    /// <param name="api">The virtual cluster.</param>
    /// <param name="claims">The claims in it.</param>
    /// <param name="since">When the restore made its first object, by the cluster's clock: Pods that are older used the claims before, and while their data came.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>A sentence for each that still does after a minute.</returns>
    /// <exception cref="EngineException">The cluster does not answer.</exception>
    public static async Task<IReadOnlyList<string>> WaitFreeAsync(KubeApi api, IReadOnlyCollection<KubeObjectKey> claims, DateTimeOffset since, TimeProvider time, CancellationToken cancellationToken)
    {
        var server = new ServerPatience(time);
        var began = time.GetTimestamp();
        while (true)
        {
            var still = new List<string>();
            foreach (var ns in claims.GroupBy(claim => claim.Namespace, StringComparer.Ordinal))
            {
                var pods = await server.AskAsync(() => KubeListing.AllAsync(api, s_pods, null, ns.Key, cancellationToken), cancellationToken).ConfigureAwait(false);
                still.AddRange(
                    from pod in pods
                    where IsAtWork(pod) && MadeAt(pod) >= since
                    let used = ClaimsOf(pod).FirstOrDefault(name => ns.Any(claim => claim.Name == name))
                    where used is not null
                    select $"Pod {ns.Key}/{pod["metadata"]!["name"]}: it still uses claim {used}");
            }

            if (still.Count == 0 || time.GetElapsedTime(began) > s_longest)
            {
                return still;
            }

            await Task.Delay(s_every, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>When its server made an object; the beginning of time where it does not say.</summary>
    public static DateTimeOffset MadeAt(JsonObject value) =>
        DateTimeOffset.TryParse(value["metadata"]?["creationTimestamp"]?.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var made) ? made : DateTimeOffset.MinValue;

    private static bool IsAtWork(JsonObject pod) => pod["status"]?["phase"]?.GetValue<string>() is not ("Succeeded" or "Failed");

    private static IEnumerable<string> ClaimsOf(JsonObject pod) =>
        (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>().Select(volume => volume["persistentVolumeClaim"]?["claimName"]?.GetValue<string>()).OfType<string>();
}
