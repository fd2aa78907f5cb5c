using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>What a Service selected before its selector was replaced.</summary>
public sealed record SelectorSnapshot(IReadOnlyDictionary<string, string> Selector);

/// <summary>
/// Leads the clients of a Service of Kubernetes to other Pods by its selector. Whether it took effect can be looked at, and a
/// selector that somebody else has set meanwhile is never overwritten.
/// </summary>
internal sealed class KubernetesSwitch(ServiceSwitch settings, TimeProvider time)
{
    /// <summary>A Service is changed by others too, such as a load balancer's controller; each change in between costs one try.</summary>
    private const int Tries = 5;

    private static readonly KubeResource s_services = new("", "v1", "services", "Service", true);

    /// <summary>The newer first; before Kubernetes 1.21 there is only the other.</summary>
    private static readonly KubeResource[] s_slices = [SlicesOf("v1"), SlicesOf("v1beta1")];

    private readonly KubernetesAccess _access = new(settings.Kubeconfig, settings.Namespace, "Recovery:SwitchService", time);

    private string Name => $"Service {settings.Namespace}/{settings.Service}";

    public IReadOnlyList<string> Text =>
    [
        $"replace the selector of {Name} (kubeconfig {settings.Kubeconfig}) by {TextOf(settings.Selector)}, where it is still what it was when the step began",
        "wait until a ready Pod of that selector answers for it, and none of another",
        "undone by putting back the selector that it had, where it is still the new one",
    ];

    /// <summary>The present selector; everything that the rest needs is looked at too, so that a missing right is found before anything is changed.</summary>
    public Task<SelectorSnapshot> CaptureAsync(CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var selector = SelectorOf(await ReadAsync(api, cancellationToken));
        await AnswersAsync(api, cancellationToken);
        return new SelectorSnapshot(selector);
    });

    /// <exception cref="EngineException"><c>traffic-drifted</c>: the selector is neither the captured nor the new one.</exception>
    public Task<string> SwitchAsync(SelectorSnapshot before, CancellationToken cancellationToken) =>
        ReplaceAsync(before.Selector, settings.Selector, cancellationToken);

    public Task<bool> IsSwitchedAsync(CancellationToken cancellationToken) =>
        _access.AskAsync(async api => AreEqual(SelectorOf(await ReadAsync(api, cancellationToken)), settings.Selector));

    /// <summary>Whether clients are led there; waits for a Pod that answers for as long as the step may take.</summary>
    public Task<(bool Passed, string Found)> VerifyAsync(Action<string> log, CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var last = "";
        while (true)
        {
            var selector = SelectorOf(await ReadAsync(api, cancellationToken));
            if (!AreEqual(selector, settings.Selector))
            {
                return (false, $"{Name} selects {TextOf(selector)}: something else has changed it");
            }

            var answers = await AnswersAsync(api, cancellationToken);
            if (answers is null)
            {
                return (true, $"{Name} selects {TextOf(selector)}; this cluster fills no EndpointSlice for it, so that whether a Pod answers was not looked at");
            }

            if (answers is { Of: > 0, Others: 0 })
            {
                return (true, string.Create(CultureInfo.InvariantCulture, $"{Name} selects {TextOf(selector)}, and {Counted.Of(answers.Of, "ready Pod", "of it answers", "of it answer")} for it"));
            }

            var text = string.Create(CultureInfo.InvariantCulture, $"not yet: {Counted.Of(answers.Of, "ready Pod")} of the new selector and {answers.Others} of others answer for {Name}");
            if (text != last)
            {
                log(last = text);
            }

            await Task.Delay(KubernetesAccess.Poll, time, cancellationToken);
        }
    });

    /// <exception cref="EngineException"><c>traffic-drifted</c>: it is not what the switch set; left as it is.</exception>
    public Task<string> SwitchBackAsync(SelectorSnapshot before, CancellationToken cancellationToken) => AreEqual(before.Selector, settings.Selector)
        ? Task.FromResult($"{Name} selected {TextOf(before.Selector)} before; nothing was replaced")
        : ReplaceAsync(settings.Selector, before.Selector, cancellationToken);

    public Task<ActionOutlook> LookAsync(CancellationToken cancellationToken) => _access.LookAsync(
        [
            new("get", "", "services", settings.Service), new("patch", "", "services", settings.Service), new("list", "", "pods"), new("list", "discovery.k8s.io", "endpointslices"),
        ],
        async (api, token) =>
        {
            var selector = SelectorOf(await ReadAsync(api, token));
            return new ActionOutlook(
            [
                $"{Name} selects {TextOf(selector)} now{(AreEqual(selector, settings.Selector) ? ", the declared Selector" : settings.SelectorBack is { } back && AreEqual(selector, back) ? ", the declared SelectorBack" : "")}",
                .. await AnswersAsync(api, token) is null ? [$"the cluster fills no EndpointSlice for {Name}, so that whether a Pod answers for it is not verified"] : Array.Empty<string>(),
            ], []);
        },
        cancellationToken);

    private Task<JsonObject> ReadAsync(KubeApi api, CancellationToken cancellationToken) => api.GetAsync(s_services.PathOf(settings.Namespace, settings.Service), cancellationToken);

    private Task<string> ReplaceAsync(IReadOnlyDictionary<string, string> from, IReadOnlyDictionary<string, string> to, CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        for (var tries = 1; ; tries++)
        {
            var found = await ReadAsync(api, cancellationToken);
            var selector = SelectorOf(found);
            if (AreEqual(selector, to))
            {
                return $"{Name} selects {TextOf(to)} already";
            }

            if (!AreEqual(selector, from))
            {
                throw new EngineException("traffic-drifted", ErrorKind.Conflict,
                    $"{Name} selects {TextOf(selector)}, neither {TextOf(from)} nor {TextOf(to)}: something else has changed it, and it is left as it is", "look at who changed it, and set its selector by hand");
            }

            var answer = await api.PatchAsync(s_services.PathOf(settings.Namespace, settings.Service), PatchOf(found, from, to), cancellationToken);
            if (answer.IsSuccess)
            {
                return $"{Name} selects {TextOf(to)} instead of {TextOf(from)}";
            }

            if (answer.Status != 409 || tries == Tries)
            {
                throw answer.ToFault($"PATCH {Name}");
            }
        }
    });

    /// <summary>With the version that was read: whoever changed it since is not overwritten.</summary>
    internal static JsonObject PatchOf(JsonObject found, IReadOnlyDictionary<string, string> from, IReadOnlyDictionary<string, string> to)
    {
        var selector = new JsonObject();
        foreach (var gone in from.Keys.Where(key => !to.ContainsKey(key)))
        {
            selector[gone] = null;
        }

        foreach (var (key, value) in to)
        {
            selector[key] = value;
        }

        return new JsonObject { ["metadata"] = new JsonObject { ["resourceVersion"] = found["metadata"]!["resourceVersion"]!.DeepClone() }, ["spec"] = new JsonObject { ["selector"] = selector } };
    }

    /// <exception cref="EngineException"><c>traffic-no-selector</c>: what answers for it was written by hand, and would be lost.</exception>
    private Dictionary<string, string> SelectorOf(JsonObject found)
    {
        var selector = (found["spec"]?["selector"] as JsonObject ?? []).ToDictionary(label => label.Key, label => label.Value!.GetValue<string>());
        return selector.Count > 0 && found["spec"]?["type"]?.GetValue<string>() != "ExternalName"
            ? selector
            : throw new EngineException("traffic-no-selector", ErrorKind.Unsupported, $"{Name} leads to no Pods by a selector, so that there is none to be replaced and put back",
                "give it a selector, or switch by commands: Recovery:SwitchTraffic and SwitchBack");
    }

    /// <summary>
    /// Which ready Pods answer for it: after a switch the slices name the former ones for a moment, so each is looked for among the
    /// Pods of the new selector that stay. Null where nothing fills slices: a controller that does has one for each Service, if only an empty one.
    /// </summary>
    private async Task<Answering?> AnswersAsync(KubeApi api, CancellationToken cancellationToken)
    {
        var slices = await SlicesAsync(api, cancellationToken);
        if (slices.Count == 0)
        {
            return null;
        }

        var pods = (await KubeWorkload.PodsAsync(api, settings.Namespace, string.Join(',', settings.Selector.Select(label => $"{label.Key}={label.Value}")), cancellationToken))
            .Where(pod => pod["metadata"]!["deletionTimestamp"] is null).Select(pod => pod["metadata"]!["uid"]!.GetValue<string>()).ToHashSet();
        // What is not said of readiness is to be taken as ready.
        var ready = slices.SelectMany(slice => (slice["endpoints"] as JsonArray ?? []).OfType<JsonObject>())
            .Where(endpoint => endpoint["conditions"]?["ready"]?.GetValue<bool>() != false).Select(endpoint => endpoint["targetRef"]?["uid"]?.GetValue<string>()).Distinct().ToList();
        return new Answering(ready.Count(uid => uid is not null && pods.Contains(uid)), ready.Count(uid => uid is null || !pods.Contains(uid)));
    }

    private async Task<IReadOnlyList<JsonObject>> SlicesAsync(KubeApi api, CancellationToken cancellationToken)
    {
        foreach (var resource in s_slices)
        {
            try
            {
                return await KubeListing.AllAsync(api, resource, "labelSelector=" + Uri.EscapeDataString($"kubernetes.io/service-name={settings.Service}"), settings.Namespace, cancellationToken);
            }
            catch (EngineException fault) when (fault.Code == "api-object-missing")
            {
                // Not served in that version.
            }
        }

        return [];
    }

    private static bool AreEqual(IReadOnlyDictionary<string, string> one, IReadOnlyDictionary<string, string> other) =>
        one.Count == other.Count && one.All(label => other.TryGetValue(label.Key, out var value) && value == label.Value);

    private static string TextOf(IReadOnlyDictionary<string, string> selector) =>
        string.Join(',', selector.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}"));

    private static KubeResource SlicesOf(string version) => new("discovery.k8s.io", version, "endpointslices", "EndpointSlice", true);

    /// <summary>How many ready Pods answer for the Service.</summary>
    /// <param name="Of">Of the new selector.</param>
    /// <param name="Others">Of none that it selects.</param>
    private sealed record Answering(int Of, int Others);
}
