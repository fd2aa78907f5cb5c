using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;

/// <summary>Objects that could not be read: nothing is known of them, so they are neither there nor missing.</summary>
/// <param name="Group">API group; empty for the core.</param>
/// <param name="Kind">Null where a version of the group did not answer: then it is every kind of the group that was not read in another version.</param>
/// <param name="Why">What the server said.</param>
public sealed record UnreadPart(string Group, string? Kind, string Why)
{
    /// <summary>Of a group: its kinds that were read.</summary>
    public IReadOnlyList<string> Read { get; init; } = [];

    /// <summary>For people: <c>Deployment.apps</c>, or the group.</summary>
    public string Name => Kind is null ? Group : Group.Length > 0 ? $"{Kind}.{Group}" : Kind;

    /// <summary>Whether an object belongs to it.</summary>
    public bool Covers(KubeObjectKey key) => key.Group == Group && (Kind is null ? !Read.Contains(key.Kind) : key.Kind == Kind);
}

/// <summary>A virtual cluster's objects, as a restore point holds them or as its API server has them now.</summary>
public interface IClusterContent
{
    /// <summary>When they were so.</summary>
    DateTimeOffset At { get; }

    /// <summary>Every object that could be read.</summary>
    IReadOnlyList<CapturedObject> Objects { get; }

    /// <summary>What could not be read.</summary>
    IReadOnlyList<UnreadPart> Unread { get; }

    /// <summary>An object's document, cleaned, with the values of Secrets in it; null where it is not there any more.</summary>
    Task<JsonObject?> ReadAsync(CapturedObject one, CancellationToken cancellationToken);
}
