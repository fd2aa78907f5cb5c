using System.Text.Json;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// The notes that mean nothing without the restore point that they are about: what a validation found, that something uses it, and
/// that this ended. Each validation writes one, so those of points that are gone would soon be most of what a prune reads.
/// </summary>
internal static class PointNotes
{
    private static readonly JsonElement s_passed = JsonElement.Parse("""{"overallPassed":true}""");
    private static readonly JsonElement s_failed = JsonElement.Parse("""{"overallPassed":false}""");
    private static readonly JsonElement s_couldNotRun = JsonElement.Parse("""{"overallPassed":false,"steps":[{"status":"not_run"}]}""");

    /// <summary>The same note, of a validation only what retention heeds: its steps and comparisons are thousands of bytes each.</summary>
    public static Attestation Folded(Attestation note) => note.Kind != Attestations.Validation ? note
        : note with { Content = Attestations.CouldNotRun(note.Content) ? s_couldNotRun : Attestations.HasPassed(note.Content) ? s_passed : s_failed };

    /// <summary>Those of a tier's notes that nothing there needs, the end of a use after the use.</summary>
    /// <param name="all">All that can be read.</param>
    /// <param name="here">The restore points of the tier.</param>
    public static IReadOnlyList<Attestation> Orphaned(IReadOnlyList<Attestation> all, IReadOnlySet<RestorePointId> here)
    {
        var orphaned = all.Where(note => note.Kind != Attestations.Release && !IsNeeded(note, here, _ => false)).ToList();
        var left = all.Select(note => note.Id).Except(orphaned.Select(note => note.Id)).ToHashSet(StringComparer.Ordinal);
        orphaned.AddRange(all.Where(note => note.Kind == Attestations.Release && !IsNeeded(note, here, left.Contains)));
        return orphaned;
    }

    /// <summary>False where nothing in a tier needs the note.</summary>
    /// <param name="here">The restore points of the tier.</param>
    /// <param name="isThere">Whether the tier has another note. The end of a hold stays as long as the hold does, which would stand again without it.</param>
    public static bool IsNeeded(Attestation note, IReadOnlySet<RestorePointId> here, Func<string, bool> isThere) =>
        note.RestorePoint is not { } point || here.Contains(point) || note.Kind switch
        {
            Attestations.Validation or Attestations.Use => false,
            Attestations.Release => Attestations.EndedBy(note) is { } ended && isThere(ended),
            _ => true,
        };
}
