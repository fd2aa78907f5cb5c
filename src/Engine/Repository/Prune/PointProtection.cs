using System.Text.Json;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Says of a restore point why it may not be given up, whatever a retention policy says.</summary>
internal sealed class PointProtection
{
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    /// <summary>An unreadable note may be about points that a machine with a fast clock made.</summary>
    private static readonly TimeSpan UnreadableReach = TimeSpan.FromDays(1);
    private readonly Dictionary<RestorePointId, string> _reasons = [];

    /// <param name="points">All restore points of the tier whose manifests can be read.</param>
    /// <param name="attestations">All attestations. One that cannot be read may be a hold on any point that was there when it was written, so it keeps them all.</param>
    /// <param name="now">The store's time.</param>
    public PointProtection(IReadOnlyList<Manifest> points, AttestationList attestations, DateTimeOffset now)
    {
        foreach (var point in points.Where(point => point.CreatedAt > now + ClockTolerance))
        {
            _reasons[point.Id] = "its time stamp is in the future";
        }

        if (attestations.Unreadable.MaxBy(one => one.WrittenAt) is { } unreadable)
        {
            foreach (var point in points.Where(point => point.CreatedAt <= unreadable.WrittenAt + UnreadableReach))
            {
                _reasons.TryAdd(point.Id, $"{unreadable.Key} cannot be read and may be a hold on it");
            }
        }

        foreach (var attestation in Attestations.StillValid(attestations.Readable, now))
        {
            _reasons.TryAdd(attestation.RestorePoint!.Value, attestation.Kind == Attestations.Hold ? "it is on hold" : "it is in use");
        }

        var proven = Attestations.Proven(attestations.Readable);
        foreach (var source in points.GroupBy(point => (point.Workspace, point.Source, point.Kind)))
        {
            // A source without any proof must not lose its last hope either.
            var newest = source.Where(point => proven.Contains(point.Id)).MaxBy(point => (point.CreatedAt, point.Id.Value));
            var last = newest ?? source.MaxBy(point => (point.CreatedAt, point.Id.Value))!;
            _reasons.TryAdd(last.Id, newest is null ? "it is the newest of its source, which has no validated one" : "it is the last validated one of its source");
        }
    }

    /// <summary>Why the restore point must stay, or null.</summary>
    public string? Of(RestorePointId id) => _reasons.GetValueOrDefault(id);
}

/// <summary>The kinds of attestations that retention and prune heed.</summary>
public static class Attestations
{
    /// <summary>The result of a validation; its content says <c>overallPassed</c>.</summary>
    public const string Validation = "validation";

    /// <summary>The restore point must stay; its content may say <c>until</c> (ISO 8601) and <c>reason</c>.</summary>
    public const string Hold = "hold";

    /// <summary>A drill, a recovery or a restore uses it; its content may say <c>until</c> and <c>by</c>.</summary>
    public const string Use = "use";

    /// <summary>Ends a hold or a use; its content names that attestation's id as <c>attestation</c>.</summary>
    public const string Release = "release";

    /// <summary>A person gave an attestation up that no tier could read; its content names it as <c>attestation</c> and says the <c>reason</c>.</summary>
    public const string Dropped = "dropped";

    /// <summary>Restore points whose newest validation passed.</summary>
    public static IReadOnlySet<RestorePointId> Proven(IEnumerable<Attestation> attestations) =>
        attestations.Where(a => a.Kind == Validation && a.RestorePoint is not null).GroupBy(a => a.RestorePoint!.Value)
            .Where(group => group.MaxBy(a => a.CreatedAt)!.Content is { ValueKind: JsonValueKind.Object } content
                && content.TryGetProperty("overallPassed", out var passed) && passed.ValueKind == JsonValueKind.True)
            .Select(group => group.Key).ToHashSet();

    /// <summary>Holds and uses that were neither released nor have run out at a time.</summary>
    public static IReadOnlyList<Attestation> StillValid(IReadOnlyList<Attestation> attestations, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(attestations);
        var released = attestations.Where(a => a.Kind == Release).Select(a => Text(a.Content, "attestation")).ToHashSet(StringComparer.Ordinal);
        return [.. attestations.Where(a => a.Kind is Hold or Use && a.RestorePoint is not null && !released.Contains(a.Id)
            && !(DateTimeOffset.TryParse(Text(a.Content, "until"), System.Globalization.CultureInfo.InvariantCulture, out var until) && until < now))];
    }

    private static string? Text(JsonElement content, string name) =>
        content.ValueKind == JsonValueKind.Object && content.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
