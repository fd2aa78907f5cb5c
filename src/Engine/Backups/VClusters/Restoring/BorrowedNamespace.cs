using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// The namespace in which a server is asked about objects whose own is created by the restore. What it says of the object itself holds
/// in every namespace; its quotas, limits, policies and rights are its own, and bind nobody who goes elsewhere.
/// </summary>
internal sealed class BorrowedNamespace(KubeApi api)
{
    /// <summary>Every cluster has it.</summary>
    public const string Name = "default";

    /// <summary>What the plan says of each object that was asked about there, whatever the answer was.</summary>
    public const string Note = "its namespace is created first, so that the server could be asked only as if it went into namespace " + Name;

    private readonly Lock _lock = new();
    private Task<bool>? _hasLimits;

    /// <summary>True where a refusal is about the object and not about the namespace: fields that are invalid, a kind that is not served.</summary>
    public async Task<bool> HoldsAnywhereAsync(KubeAnswer answer, KubeObjectKey key, CancellationToken cancellationToken) => answer.Status switch
    {
        // A webhook and a policy may answer by any code; a policy names no field.
        400 => !IsOfWebhook(answer),
        422 => !IsOfWebhook(answer) && NamesField(answer) && !(IsLimited(key) && await HasLimitsAsync(cancellationToken).ConfigureAwait(false)),
        401 or 404 or 405 or 413 or 415 => true,
        _ => false,
    };

    private static bool IsOfWebhook(KubeAnswer answer) => answer.Message.Contains("admission webhook ", StringComparison.Ordinal);

    private static bool NamesField(KubeAnswer answer) =>
        (answer.Body?["details"]?["causes"] as JsonArray ?? []).Any(cause => cause?["field"] is JsonValue field && field.TryGetValue<string>(out var name) && name.Length > 0);

    /// <summary>A limit range writes its defaults into these, and what they make of it may be what is invalid.</summary>
    private static bool IsLimited(KubeObjectKey key) => key is { Group: "", Kind: "Pod" or "PersistentVolumeClaim" };

    private Task<bool> HasLimitsAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return _hasLimits ??= LookAsync();
        }

        async Task<bool> LookAsync() => (await api.GetAsync($"/api/v1/namespaces/{Name}/limitranges?limit=1", cancellationToken).ConfigureAwait(false))["items"] is JsonArray { Count: > 0 };
    }
}
