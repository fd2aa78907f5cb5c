using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What was seen of a cluster that was put back in its place.</summary>
/// <param name="Identity">Which objects are back.</param>
/// <param name="Remaining">What the plan was to change and is still as it was, by the plan's lines.</param>
/// <param name="Fault">Why it cannot be called restored; null where it can.</param>
internal sealed record InPlaceSight(IdentityCheck Identity, IReadOnlyList<string> Remaining, string? Fault)
{
    private const int Named = 5;

    /// <summary>Sentences for everything that is not as it was, and for what could not be looked at.</summary>
    public IEnumerable<string> Warnings() => Remaining.Count == 0 ? Identity.Warnings() :
    [
        .. Identity.Warnings(),
        $"{Counted.Of(Remaining.Count, "object", "is", "are")} still as before the restore, made, changed or removed while the backup ran, or since the start: {string.Join(", ", Remaining.Take(Named))}",
    ];
}

/// <summary>
/// Looks whether a cluster that was put back in its place is what the restore point has. That it has the objects is not enough: of a
/// store that was exchanged in another cluster's directory a cluster that runs on as before would say the same.
/// </summary>
/// <param name="repository">Where the restore point is.</param>
/// <param name="manifest">The restore point.</param>
/// <param name="target">The cluster.</param>
/// <param name="time">The clock.</param>
/// <param name="log">Told a phase and a line of text.</param>
internal sealed class InPlaceLook(BackupRepository repository, Manifest manifest, VClusterTarget target, TimeProvider time, Action<string, string>? log)
{
    private static readonly TimeSpan s_lookFor = TimeSpan.FromMinutes(1);

    /// <summary>A kind whose objects are converted by a Pod of the tenant is listed once that runs again.</summary>
    private static readonly TimeSpan s_unlistedFor = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(2);
    private readonly Dictionary<KubeObjectKey, bool> _controlled = [];

    /// <summary>The lines of the plan that say what the restore changes.</summary>
    public IReadOnlyList<string> Planned { get; init; } = [];

    /// <summary>The living cluster right before it was stopped; null where an interrupted attempt had stopped it.</summary>
    public LivingState? Before { get; init; }

    /// <summary>The revision of the restored store, which the running one is at by now at least; 0 where it is not known.</summary>
    public long Revision { get; init; }

    /// <summary>
    /// Every object of the index is there with its identity; what is there besides came with the start. Snapshot and listing
    /// are of two instants: a few objects may have been made or removed in between, and are named. A server that started a moment
    /// ago does not answer for everything at once, so it is looked at for a minute before it is judged, and longer for kinds that it
    /// cannot list yet.
    /// </summary>
    /// <exception cref="EngineException">The cluster does not answer.</exception>
    public async Task<InPlaceSight> LookAsync(CancellationToken cancellationToken)
    {
        var stored = await StoredCluster.LookAsync(repository, manifest, cancellationToken).ConfigureAwait(false);
        var began = time.GetTimestamp();
        while (true)
        {
            var waited = time.GetElapsedTime(began);
            try
            {
                var found = await LookOnceAsync(stored, cancellationToken).ConfigureAwait(false);
                if (found.Fault is null || waited > (found.Identity is { IsAsStored: true, Unlisted.Count: > 0 } ? s_unlistedFor : s_lookFor))
                {
                    return found;
                }

                log?.Invoke("verify", $"{found.Fault}; looking again");
            }
            catch (EngineException fault) when (fault.IsTransient && waited <= s_lookFor)
            {
                log?.Invoke("verify", $"{fault.Message}; looking again");
            }

            await Task.Delay(s_lookEvery, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>So many objects may be written between a backup's listing and its snapshot, and be all that a plan names; as for <see cref="IdentityCheck"/>.</summary>
    private const int BetweenListingAndSnapshot = 5;

    private async Task<InPlaceSight> LookOnceAsync(StoredCluster stored, CancellationToken cancellationToken)
    {
        using var live = await LiveCluster.ReadAsync(target.Settings, time, null, cancellationToken).ConfigureAwait(false);
        var revision = await live.RevisionAsync(cancellationToken).ConfigureAwait(false);
        var found = IdentityCheck.Of(stored.Objects, live.Objects.ToDictionary(one => one.Key, one => one.Uid), live.Unlisted);
        found = found.Without(await ControlledAsync(stored, found.Missing, cancellationToken).ConfigureAwait(false));
        var (remaining, isUnchanged) = Remaining(Planned, Before, LivingState.Of(stored, live));
        return new InPlaceSight(found, remaining, found.Fault
            ?? (revision < Revision ? string.Create(CultureInfo.InvariantCulture, $"its API server is at revision {revision}, and the restored store at {Revision}: it runs on another store") : null)
            // Where the revision is known it has told already, and a handful may be all that came between the listing and the snapshot. It
            // tells only of a cluster that was asked for its own before: else it is that of the directory's store, and another cluster may be far beyond it.
            ?? (isUnchanged && (Revision == 0 || Before is null || remaining.Count > BetweenListingAndSnapshot) ? $"nothing of what the restore was to change has changed, so it runs on another store: {string.Join(", ", remaining.Take(5))}" : null));
    }

    /// <summary>
    /// What a plan named and is still as it was. Something of it may be so: objects that were made, changed or removed between the
    /// backup's listing and its snapshot are another in the store than in the index. Where that is all, it is a handful.
    /// </summary>
    /// <param name="planned">The plan's lines.</param>
    /// <param name="before">The living cluster before; null where it is not known.</param>
    /// <param name="after">What it is now.</param>
    /// <returns>Their lines, and whether they are all of those that can be judged.</returns>
    internal static (IReadOnlyList<string> Remaining, bool IsUnchanged) Remaining(IReadOnlyList<string> planned, LivingState? before, LivingState after)
    {
        var known = before?.Changes.ToDictionary(change => change.Key);
        var lines = planned.ToHashSet(StringComparer.Ordinal);
        // An autoscaler asks for the same number of replicas again at once.
        lines.ExceptWith(after.Changes.Where(change => change is { Kind: ObjectChangeKind.Changed, Second.SteadyDigest: not null }).Select(LivingState.Line));
        var remaining = after.Changes.Where(IsAsBefore).Select(LivingState.Line).Where(lines.Contains).ToList();
        return (remaining, lines.Count > 0 && remaining.Count == lines.Count);

        // What is of the same name and another content or identity was written since the start.
        bool IsAsBefore(ObjectChange change) => known is null
            || (known.TryGetValue(change.Key, out var was) && (was.Kind, was.Second?.Uid, was.Second?.Digest) == (change.Kind, change.Second?.Uid, change.Second?.Digest));
    }

    /// <summary>Which of some objects have a controller, as their documents say; what cannot be read has none.</summary>
    private async Task<IReadOnlySet<KubeObjectKey>> ControlledAsync(StoredCluster stored, IReadOnlyList<KubeObjectKey> missing, CancellationToken cancellationToken)
    {
        var unknown = missing.Where(key => !_controlled.ContainsKey(key)).ToHashSet();
        if (unknown.Count > 0)
        {
            foreach (var one in await new StoredObjects(repository, manifest).ReadEachAsync(stored.Objects.Where(one => unknown.Contains(one.Key)), cancellationToken).ConfigureAwait(false))
            {
                _controlled[one.Object.Key] = one.Document is { } document && ObjectRules.HasController(document);
            }
        }

        return missing.Where(key => _controlled.GetValueOrDefault(key)).ToHashSet();
    }
}
