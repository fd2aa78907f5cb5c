using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// A living virtual cluster as a restore in place finds it: what would be gone from it, and by what it is known again. Only what
/// somebody wants is compared: not status, times and whatever else a server assigns, not what controllers make anew, not how many
/// replicas an autoscaler asks for at this instant.
/// </summary>
/// <param name="Digest">64 hex digits; <see cref="Unknown"/> where its API server does not answer.</param>
/// <param name="Changes">Each object that differs from the restore point.</param>
/// <param name="Unread">Kinds that could not be compared, each with the reason.</param>
internal sealed record LivingState(string Digest, IReadOnlyList<ObjectChange> Changes, IReadOnlyList<string> Unread)
{
    private const string ComesBack = "comes back: ";
    private const string WillBeGone = "will be gone: ";
    private const string Becomes = "becomes what it was: ";

    /// <summary>In place of the digest of a cluster that does not answer: nobody can say what it has.</summary>
    public const string Unknown = "unknown";

    /// <summary>A line for each object that differs: what is lost first, then what is changed.</summary>
    public IReadOnlyList<string> Differences =>
        [.. Changes.OrderBy(change => change.Kind switch { ObjectChangeKind.OnlySecond => 0, ObjectChangeKind.Changed => 1, _ => 2 }).Select(Line)];

    /// <summary>The lines of a plan that say of an object what the restore makes of it.</summary>
    public static IReadOnlyList<string> LinesIn(IEnumerable<string> notes) =>
        [.. notes.Where(note => ((string[])[ComesBack, WillBeGone, Becomes]).Any(head => note.StartsWith(head, StringComparison.Ordinal)))];

    /// <summary>Reads the living cluster and compares it with a restore point.</summary>
    /// <exception cref="EngineException">What it refuses; that it does not answer is an answer.</exception>
    public static async Task<LivingState> ReadAsync(BackupRepository repository, Manifest manifest, VClusterTarget target, TimeProvider time, CancellationToken cancellationToken)
    {
        LiveCluster live;
        try
        {
            live = await LiveCluster.ReadAsync(target.Settings, time, null, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException fault) when (fault.IsTransient)
        {
            return new LivingState(Unknown, [], [fault.Message]);
        }

        using (live)
        {
            return Of(await StoredCluster.LookAsync(repository, manifest, cancellationToken).ConfigureAwait(false), live);
        }
    }

    /// <summary>Compares a cluster that was read with a restore point.</summary>
    public static LivingState Of(StoredCluster stored, LiveCluster live)
    {
        var difference = ClusterComparison.Between(stored, live);
        return new LivingState(
            DigestOf(live), [.. difference.Changes.Where(change => !SaysNothing(change))], [.. difference.Unread.Select(part => $"{part.Name}: {part.Why}").Distinct()]);
    }

    /// <summary>Kinds whose objects are made and removed by controllers: one that only the restore point has says nothing of what anybody wants.</summary>
    private static readonly string[] s_comeAndGo = ["Pod", "ReplicaSet", "ControllerRevision"];

    /// <summary>One that is there and that no controller makes is a person's, of whatever kind: it would be lost.</summary>
    private static bool SaysNothing(ObjectChange change) => change.Kind switch
    {
        ObjectChangeKind.OnlyFirst => s_comeAndGo.Contains(change.Key.Kind),
        ObjectChangeKind.OnlySecond => change.Second!.IsMadeAnew,
        // What a server makes itself is there before and after, and people edit it: rights, namespaces, the account "default".
        _ => change.Second is { } now && (IsWrittenAnew(now) || IsOfOutside(now)),
    };

    /// <summary>True for what its controller writes as it likes: no person's edit of it would stay.</summary>
    private static bool IsWrittenAnew(CapturedObject one) =>
        one.IsMadeAnew && (one.Kind is "Pod" or "ReplicaSet" or "ControllerRevision" or "Job" or "Secret" || one is { Kind: "ConfigMap", Name: "kube-root-ca.crt" });

    /// <summary>True for what stands for something outside of the cluster, and comes and goes with that at any time.</summary>
    private static bool IsOfOutside(CapturedObject one) => one.IsMadeAnew && (one.Kind is "Node" or "CSINode" or "VolumeAttachment" or "PersistentVolume");

    private static string DigestOf(LiveCluster live)
    {
        var text = new StringBuilder("living-cluster-1\n");
        foreach (var one in live.Objects.Where(one => !IsWrittenAnew(one) && !IsOfOutside(one)).OrderBy(one => one.Key.ToString(), StringComparer.Ordinal))
        {
            text.AppendJoin('\t', one.Key, one.SteadyDigest ?? one.Digest, one.IsTerminating).Append('\n');
        }

        foreach (var name in live.Unread.Select(part => part.Name).Order(StringComparer.Ordinal))
        {
            text.Append("unread\t").Append(name).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>What a restore in place makes of an object, as a plan says it.</summary>
    public static string Line(ObjectChange change) => change.Kind switch
    {
        ObjectChangeKind.OnlyFirst => ComesBack + change.Key,
        ObjectChangeKind.OnlySecond => WillBeGone + change.Key,
        _ => Becomes + change.Key,
    };
}
