using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// A workload of Kubernetes: stopped by scaling it to 0 and waiting until no Pod of it is left, started by scaling it to as many
/// replicas as it had. What it had is what <see cref="ReadOptionsAsync"/> says before the stop; the run's journal keeps that.
/// It runs as long as a Pod of it may: half of it up, or none ready, writes all the same.
/// </summary>
internal sealed class KubernetesService(KubernetesWorkload workload, TimeProvider time) : IServiceControl
{
    private const string ReplicasBefore = "replicas=";
    private const string ReadyBefore = "ready=";
    private const int MostNamed = 5;

    private readonly KubernetesAccess _access = new(workload.Kubeconfig, workload.Namespace, "Recovery:Service", time);

    private KubeResource Resource => workload.Kind == WorkloadKind.StatefulSet ? KubeWorkload.StatefulSets : KubeWorkload.Deployments;

    private string Name => $"{Resource.Kind} {workload.Namespace}/{workload.Name}";

    public string StopText => $"scale {Name} to 0 replicas (kubeconfig {workload.Kubeconfig}) and wait until no Pod of it is left";

    public string StartText => $"scale {Name} to as many replicas as it had{(workload.Replicas is { } known ? string.Create(CultureInfo.InvariantCulture, $", {known} where it had none,") : "")} and wait until all of them are ready";

    public Task<bool> IsRunningAsync(CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var one = Of(api);
        return !await IsDownAsync(one, await one.ReadAsync(cancellationToken), cancellationToken);
    });

    /// <exception cref="EngineException"><c>service-replicas-unknown</c>: it could be stopped, and nobody knows with how many it is to be started.</exception>
    public Task<IReadOnlyList<string>> ReadOptionsAsync(CancellationToken cancellationToken) => _access.AskAsync<IReadOnlyList<string>>(async api =>
    {
        var found = await Of(api).ReadAsync(cancellationToken);
        var replicas = KubeWorkload.ReplicasOf(found);
        return replicas == 0 && workload.Replicas is null
            ? throw Unknown()
            : [string.Create(CultureInfo.InvariantCulture, $"{ReplicasBefore}{replicas}"), string.Create(CultureInfo.InvariantCulture, $"{ReadyBefore}{KubeWorkload.ReadyOf(found)}")];
    });

    public Task StopAsync(Action<string> log, CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var one = Of(api);
        var found = await one.ReadAsync(cancellationToken);
        if (await IsDownAsync(one, found, cancellationToken))
        {
            log($"{Name} has no replicas already");
            return true;
        }

        // Before it is stopped: who may not see its Pods would never know when they are gone.
        await one.PodsAsync(found, cancellationToken);
        if (KubeWorkload.ReplicasOf(found) is > 0 and var replicas)
        {
            log(string.Create(CultureInfo.InvariantCulture, $"{Name}: from {replicas} to 0 replicas"));
            await one.ScaleAsync(0, cancellationToken);
        }

        var last = "";
        while (!await IsDownAsync(one, found = await one.ReadAsync(cancellationToken), cancellationToken))
        {
            if (KubeWorkload.ReplicasOf(found) is > 0 and var again)
            {
                throw new EngineException("service-stop", ErrorKind.Conflict, $"{Name} was scaled to {again} again by something else",
                    "stop what scales it (an operator, GitOps, an autoscaler with minReplicas 0), then try again");
            }

            Tell(log, ref last, $"still there: {Names(await one.PodsAsync(found, cancellationToken))}");
            await Task.Delay(KubernetesAccess.Poll, time, cancellationToken);
        }

        return true;
    });

    public Task StartAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var one = Of(api);
        var found = await one.ReadAsync(cancellationToken);
        var wanted = Known(options, ReplicasBefore) is > 0 and var before ? before : workload.Replicas;
        await ScaleUpAsync(one, found, wanted, log, cancellationToken);
        await WaitReadyAsync(one, wanted ?? int.MaxValue, log, cancellationToken);
        return true;
    });

    /// <summary>What was not ready before the stop need not be afterwards.</summary>
    public Task BringBackAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken) => _access.AskAsync(async api =>
    {
        var (replicas, ready) = (Known(options, ReplicasBefore), Known(options, ReadyBefore) ?? 0);
        if (replicas is null or 0)
        {
            log($"{Name} had no replicas before; it stays so");
            return true;
        }

        var one = Of(api);
        await ScaleUpAsync(one, await one.ReadAsync(cancellationToken), replicas, log, cancellationToken);
        if (ready > 0)
        {
            await WaitReadyAsync(one, ready, log, cancellationToken);
        }

        return true;
    });

    public Task<ActionOutlook> LookAsync(CancellationToken cancellationToken) => _access.LookAsync(
        [
            new("get", Resource.Group, Resource.Plural, workload.Name), new("patch", Resource.Group, Resource.Plural + "/scale", workload.Name), new("list", "", "pods"),
        ],
        async (api, token) =>
        {
            var found = await Of(api).ReadAsync(token);
            return new ActionOutlook(
                await AutoscalersAsync(api, token), KubeWorkload.ReplicasOf(found) == 0 && workload.Replicas is null ? [Unknown().Message] : []);
        },
        cancellationToken);

    private KubeWorkload Of(KubeApi api) => new(api, Resource, workload.Namespace, workload.Name);

    private static async Task<bool> IsDownAsync(KubeWorkload one, JsonObject found, CancellationToken cancellationToken) =>
        KubeWorkload.ReplicasOf(found) == 0 && await one.IsStoppedAsync(found, cancellationToken);

    private async Task ScaleUpAsync(KubeWorkload one, JsonObject found, int? wanted, Action<string> log, CancellationToken cancellationToken)
    {
        if (KubeWorkload.ReplicasOf(found) is > 0 and var already)
        {
            // Also where it is another number: an autoscaler, or a person, knows better by now.
            log(string.Create(CultureInfo.InvariantCulture, $"{Name} is scaled to {already} already"));
            return;
        }

        var replicas = wanted ?? throw Unknown();
        log(string.Create(CultureInfo.InvariantCulture, $"{Name}: from 0 to {replicas} replicas"));
        await one.ScaleAsync(replicas, cancellationToken);
    }

    /// <summary>Waits until so many are ready; where it was scaled to less meanwhile, that many.</summary>
    private async Task WaitReadyAsync(KubeWorkload one, int wanted, Action<string> log, CancellationToken cancellationToken)
    {
        var last = "";
        while (true)
        {
            var found = await one.ReadAsync(cancellationToken);
            var (replicas, ready) = (KubeWorkload.ReplicasOf(found), KubeWorkload.ReadyOf(found));
            if (replicas == 0)
            {
                throw new EngineException("service-start", ErrorKind.Conflict, $"{Name} was scaled to 0 again by something else", "stop what scales it (an operator, GitOps), then try again");
            }

            if (KubeWorkload.IsObserved(found) && ready >= Math.Min(wanted, replicas))
            {
                return;
            }

            var troubles = Troubles(await one.PodsAsync(found, cancellationToken));
            Tell(log, ref last, string.Create(CultureInfo.InvariantCulture, $"{ready} of {Math.Min(wanted, replicas)} ready{troubles}"));
            await Task.Delay(KubernetesAccess.Poll, time, cancellationToken);
        }
    }

    /// <summary>What an autoscaler does of its own would be taken for the recovery's.</summary>
    private async Task<IReadOnlyList<string>> AutoscalersAsync(KubeApi api, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, $"/apis/autoscaling/v1/namespaces/{workload.Namespace}/horizontalpodautoscalers", null, null, cancellationToken);
        if (answer is not { IsSuccess: true, Body: { } body })
        {
            return [$"whether an autoscaler scales {Name} too was not looked at: {answer.Message}"];
        }

        return
        [
            .. (body["items"] as JsonArray ?? []).OfType<JsonObject>()
                .Where(one => one["spec"]?["scaleTargetRef"] is { } target && target["kind"]?.GetValue<string>() == Resource.Kind && target["name"]?.GetValue<string>() == workload.Name)
                .Select(one => one["spec"]!["minReplicas"]?.GetValue<int>() == 0
                    ? $"the HorizontalPodAutoscaler {one["metadata"]!["name"]} may scale {Name} up from 0 while it is stopped, and the recovery then fails: take it away, or set its minReplicas to 1 before"
                    : $"the HorizontalPodAutoscaler {one["metadata"]!["name"]} leaves {Name} alone while it has no replicas; once it is started again it may change their number, and that many are waited for"),
        ];
    }

    /// <summary>Why Pods do not start, where their kubelet says so.</summary>
    private static string Troubles(IReadOnlyList<JsonObject> pods)
    {
        var reasons = pods.SelectMany(pod => (pod["status"]?["containerStatuses"] as JsonArray ?? []).Select(one => (Pod: pod, Reason: one?["state"]?["waiting"]?["reason"]?.GetValue<string>())))
            .Where(one => one.Reason is not null).Take(MostNamed).Select(one => $"{one.Pod["metadata"]!["name"]} {one.Reason}").ToList();
        return reasons.Count == 0 ? "" : $"; {string.Join(", ", reasons)}";
    }

    private static string Names(IReadOnlyList<JsonObject> pods) => pods.Count == 0
        ? "its controller has not said that none is left"
        : string.Join(", ", pods.Take(MostNamed).Select(pod => $"Pod {pod["metadata"]!["name"]}")) + (pods.Count > MostNamed ? $" and {pods.Count - MostNamed} more" : "");

    private static void Tell(Action<string> log, ref string last, string text)
    {
        if (text != last)
        {
            log(last = text);
        }
    }

    private static int? Known(IReadOnlyList<string> options, string key) =>
        options.FirstOrDefault(option => option.StartsWith(key, StringComparison.Ordinal)) is { } option ? int.Parse(option[key.Length..], CultureInfo.InvariantCulture) : null;

    private EngineException Unknown() => new(
        "service-replicas-unknown", ErrorKind.Input, $"{Name} has no replicas now, so that nobody knows with how many it is to be started",
        "scale it up before, or say the number in Recovery:Service:Replicas");
}
