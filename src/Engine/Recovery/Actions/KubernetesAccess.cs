using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>A right that an action needs in its namespace.</summary>
/// <param name="Verb">As a Role names it: <c>patch</c>.</param>
/// <param name="Group">API group; empty for the core.</param>
/// <param name="Resource">As a Role names it, with the subresource: <c>statefulsets/scale</c>.</param>
/// <param name="Name">Of the only object that it is needed for; null for all.</param>
internal sealed record KubernetesRight(string Verb, string Group, string Resource, string? Name = null)
{
    public string Text => $"{Verb} on {Resource}{(Group.Length == 0 ? "" : $" ({Group})")}";
}

/// <summary>A namespace of a cluster, for actions on what is in it. Says of a refusal what to do about it.</summary>
/// <param name="kubeconfig">Reaches the cluster.</param>
/// <param name="ns">The namespace.</param>
/// <param name="setting">The configuration's key that names both, for hints.</param>
/// <param name="time">The clock.</param>
internal sealed class KubernetesAccess(string kubeconfig, string ns, string setting, TimeProvider time)
{
    /// <summary>A look must not hold up the readiness of other plans.</summary>
    private static readonly TimeSpan s_glance = TimeSpan.FromSeconds(5);

    public static TimeSpan Poll { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Asks the cluster.</summary>
    /// <exception cref="EngineException"><c>kubernetes-forbidden</c>, <c>kubernetes-missing-object</c>, and as <see cref="KubeApi"/>.</exception>
    public async Task<T> AskAsync<T>(Func<KubeApi, Task<T>> ask)
    {
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(kubeconfig), time: time);
        try
        {
            return await ask(api);
        }
        catch (EngineException fault) when (fault.Code is "api-forbidden" or "api-unauthorized")
        {
            throw new EngineException("kubernetes-forbidden", ErrorKind.Denied, fault.Message,
                $"give the user of {kubeconfig} the right that it names, in namespace {ns}; docs/recovery.md has the whole Role", fault);
        }
        catch (EngineException fault) when (fault.Code == "api-object-missing")
        {
            throw new EngineException("kubernetes-object-missing", ErrorKind.NotFound, fault.Message, $"check {setting} of the source: its kubeconfig, namespace and name", fault);
        }
    }

    /// <summary>What stands against asking it now: rights that are missing, and what the look itself finds; for a short time only.</summary>
    /// <param name="rights">What the action needs.</param>
    /// <param name="look">Finds the rest.</param>
    public async Task<ActionOutlook> LookAsync(IReadOnlyList<KubernetesRight> rights, Func<KubeApi, CancellationToken, Task<ActionOutlook>> look, CancellationToken cancellationToken)
    {
        using var glance = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        glance.CancelAfter(s_glance);
        var missing = new List<string>();
        try
        {
            return await AskAsync(async api =>
            {
                foreach (var right in rights)
                {
                    if (await IsDeniedAsync(api, right, glance.Token))
                    {
                        missing.Add($"the user of {kubeconfig} has no right to {right.Text} in namespace {ns}");
                    }
                }

                return missing.Count > 0 ? new ActionOutlook([], missing) : await look(api, glance.Token);
            });
        }
        catch (EngineException fault)
        {
            return new ActionOutlook([], [.. missing, $"{fault.Message} → {fault.Hint}"]);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new ActionOutlook([], [.. missing, $"the cluster of {kubeconfig} did not answer within {s_glance.TotalSeconds:0} s"]);
        }
    }

    /// <summary>False also where the cluster does not tell users what they may do: the action itself finds out then.</summary>
    private async Task<bool> IsDeniedAsync(KubeApi api, KubernetesRight right, CancellationToken cancellationToken)
    {
        var attributes = new JsonObject { ["namespace"] = ns, ["verb"] = right.Verb, ["group"] = right.Group, ["resource"] = right.Resource.Split('/')[0] };
        if (right.Resource.Split('/') is [_, var subresource])
        {
            attributes["subresource"] = subresource;
        }

        if (right.Name is not null)
        {
            attributes["name"] = right.Name;
        }

        var review = new JsonObject { ["apiVersion"] = "authorization.k8s.io/v1", ["kind"] = "SelfSubjectAccessReview", ["spec"] = new JsonObject { ["resourceAttributes"] = attributes } };
        var answer = await api.CreateAsync("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, false, cancellationToken);
        return answer is { IsSuccess: true, Body: { } body } && body["status"]?["allowed"]?.GetValue<bool>() != true;
    }
}
