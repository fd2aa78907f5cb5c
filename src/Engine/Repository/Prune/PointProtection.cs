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

        foreach (var freeze in Attestations.Freezes(attestations.Readable))
        {
            foreach (var point in points.Where(point => point.Source == freeze.Source))
            {
                _reasons.TryAdd(point.Id, $"retention of its source is frozen by attestation {freeze.Id}: {freeze.Reason}");
            }
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

/// <summary>A source of which nothing may be given up in this repository.</summary>
/// <param name="Id">The attestation's id.</param>
/// <param name="Source">The source's name.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Content">All that the attestation says.</param>
public sealed record SourceFreeze(string Id, string Source, string Reason, JsonElement Content);

/// <summary>The kinds of attestations that retention and prune heed.</summary>
public static class Attestations
{
    /// <summary>The result of a validation; its content says <c>overallPassed</c>.</summary>
    public const string Validation = "validation";

    /// <summary>The restore point must stay; its content may say <c>until</c> (ISO 8601) and <c>reason</c>.</summary>
    public const string Hold = "hold";

    /// <summary>A drill, a recovery or a restore uses it; its content may say <c>until</c> and <c>by</c>.</summary>
    public const string Use = "use";

    /// <summary>No restore point of a source may be given up, whenever it was made; its content says <c>source</c> and <c>reason</c>.</summary>
    public const string Freeze = "freeze";

    /// <summary>Ends a hold, a use or a freeze; its content names that attestation's id as <c>attestation</c>.</summary>
    public const string Release = "release";

    /// <summary>A person gave an attestation up that no tier could read; its content names it as <c>attestation</c> and says the <c>reason</c>.</summary>
    public const string Dropped = "dropped";

    /// <summary>Restore points whose newest validation passed. One that found nothing wrong, and only could not run a step, says nothing of its point.</summary>
    public static IReadOnlySet<RestorePointId> Proven(IEnumerable<Attestation> attestations) =>
        attestations.Where(a => a.Kind == Validation && a.RestorePoint is not null && !CouldNotRun(a.Content)).GroupBy(a => a.RestorePoint!.Value)
            .Where(group => HasPassed(group.MaxBy(a => a.CreatedAt)!.Content))
            .Select(group => group.Key).ToHashSet();

    /// <summary>Holds and uses that were neither released nor have run out at a time.</summary>
    public static IReadOnlyList<Attestation> StillValid(IReadOnlyList<Attestation> attestations, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(attestations);
        var released = Released(attestations);
        return [.. attestations.Where(a => a.Kind is Hold or Use && a.RestorePoint is not null && !released.Contains(a.Id)
            && !(DateTimeOffset.TryParse(Text(a.Content, "until"), System.Globalization.CultureInfo.InvariantCulture, out var until) && until < now))];
    }

    /// <summary>Freezes that were not released.</summary>
    public static IReadOnlyList<SourceFreeze> Freezes(IReadOnlyList<Attestation> attestations)
    {
        ArgumentNullException.ThrowIfNull(attestations);
        var released = Released(attestations);
        return [.. attestations.Where(a => a.Kind == Freeze && !released.Contains(a.Id) && Text(a.Content, "source") is not null)
            .Select(a => new SourceFreeze(a.Id, Text(a.Content, "source")!, Text(a.Content, "reason") ?? "no reason was given", a.Content))];
    }

    /// <summary>True of a validation in which every step passed.</summary>
    internal static bool HasPassed(JsonElement validation) => validation.ValueKind == JsonValueKind.Object
        && validation.TryGetProperty("overallPassed", out var passed) && passed.ValueKind == JsonValueKind.True;

    /// <summary>The id of what a release ends.</summary>
    internal static string? EndedBy(Attestation release) => Text(release.Content, "attestation");

    /// <summary>True of a validation that found nothing wrong, and only could not run a step.</summary>
    internal static bool CouldNotRun(JsonElement validation) => validation.ValueKind == JsonValueKind.Object
        && validation.TryGetProperty("overallPassed", out var passed) && passed.ValueKind == JsonValueKind.False
        && validation.TryGetProperty("steps", out var steps) && steps.ValueKind == JsonValueKind.Array && steps.GetArrayLength() > 0
        && !steps.EnumerateArray().Any(step => Text(step, "status") == "failed");

    private static HashSet<string?> Released(IReadOnlyList<Attestation> attestations) =>
        attestations.Where(a => a.Kind == Release).Select(EndedBy).ToHashSet(StringComparer.Ordinal);

    private static string? Text(JsonElement content, string name) =>
        content.ValueKind == JsonValueKind.Object && content.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
