using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>
/// The data of claims as a part of a restore of objects: each volume is brought to the state of the restore point by its difference,
/// before the objects, and back to what it was with them. Here are the volumes that the host's claims are bound to already; those that
/// claims get which the restore makes are filled between its objects (<see cref="NewClaimData"/>).
/// </summary>
public sealed class ClaimDataRestore(VolumeRestoreDriver volumes)
{
    /// <summary>Begins every line of a plan that is about the data of a claim.</summary>
    public const string Note = "data of claim ";

    private const string Bound = "volume: ";

    /// <summary>Begins what is said of a claim whose data are written.</summary>
    private const string Written = "in /";

    /// <summary>So many changed files are named for a claim at least, however many claims there are.</summary>
    private const int FewestFiles = 10;

    /// <summary>How long the volumes of new claims may take to be made.</summary>
    internal TimeSpan LongestBinding { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>What fills the volumes of claims that a restore makes.</summary>
    internal NewClaimData NewOnes(ObjectRestoreCatalog notes, TimeProvider time) => new(volumes, notes, time) { Longest = LongestBinding };

    /// <summary>What a plan says of the data of claims.</summary>
    /// <param name="Heads">One line for each claim: whether and where its data is written, or why not. Nobody may miss one of them for another's files.</param>
    /// <param name="Rest">What is counted, then which files differ, then what the hash is bound to.</param>
    internal sealed record ClaimNotes(IReadOnlyList<string> Heads, IReadOnlyList<string> Rest)
    {
        public IReadOnlyList<string> All => [.. Heads, .. Rest];
    }

    /// <summary>What the plan says of the data of the claims that it restores; empty where nobody asked for it.</summary>
    internal async Task<ClaimNotes> PlanAsync(
        BackupRepository repository, Manifest manifest, VClusterTarget target, ObjectRestorePlan objects, VClusterAccess access, CancellationToken cancellationToken)
    {
        var claims = objects.Objects.Where(one => one.Source is { Kind: "PersistentVolumeClaim", Group: "" }).ToList();
        if (claims.Count == 0)
        {
            return new ClaimNotes([], []);
        }

        var inventory = await ClusterInventory.ReadAsync(repository, manifest, cancellationToken);
        var captured = (inventory.Volumes ?? []).ToDictionary(volume => new KubeObjectKey("", "PersistentVolumeClaim", volume.Namespace, volume.Claim));
        if (target.Volumes is null)
        {
            return new ClaimNotes(Without(claims.Where(one => captured.ContainsKey(one.Source))), []);
        }

        var hosts = await VolumeRetention.ClaimsAsync(access, cancellationToken);
        var (heads, counts, files, bounds) = (new List<string>(), new List<string>(), new List<string>(), new List<string>());
        foreach (var claim in claims)
        {
            var name = $"{Note}{claim.Target.Namespace}/{claim.Target.Name}: ";
            if (claim.Action is ObjectAction.Conflict or ObjectAction.Refuse)
            {
                // Data under a claim that stays as it is, or is on its way out, is nobody's plan.
                heads.Add($"{name}is left alone, as the claim itself is: {claim.SteadyReason}");
                continue;
            }

            if (!captured.ContainsKey(claim.Source))
            {
                heads.Add(name + "is not in the restore point");
                continue;
            }

            var host = hosts.Find(one => IsTwin(one, claim.Target));
            if (host is null && claim.Action == ObjectAction.Create)
            {
                heads.Add(NewClaimData.Head(name, target.Volumes));
                continue;
            }

            var (_, path, problem) = host is null ? ("", null, "has no volume on the host yet; restore it by itself once it is bound") : await new ClaimVolumes(access, target.Settings).FindAsync(host, cancellationToken);
            if (path is null)
            {
                heads.Add(name + problem);
                continue;
            }

            if (!target.Selection.ChangesExisting && Directory.EnumerateFileSystemEntries(path).Any(entry => Path.GetFileName(entry) != "lost+found"))
            {
                heads.Add($"{name}{path} holds something and is left alone; existing objects and their data are changed only where that is asked for");
                continue;
            }

            var place = new DirectoryTarget(path) { InPlace = true, Delete = true, Part = $"{claim.Source.Namespace}/{claim.Source.Name}" };
            var plan = await volumes.PlanAsync(repository, manifest, place, Math.Max(FewestFiles, VolumeDifference.Shown / claims.Count), cancellationToken);
            heads.Add($"{name}in {path}, with what is replaced kept aside; stop what uses it first");
            foreach (var note in plan.Notes)
            {
                (VolumeDifference.IsOfFiles(note) ? files : counts).Add(name + note);
            }

            bounds.Add($"{Bound}{plan.Difference} {place.ToText()}");
        }

        return new ClaimNotes(heads, [.. counts, .. files, .. bounds]);
    }

    /// <summary>Whose data a restore of objects alone does not bring, although the restore point has it.</summary>
    private static IReadOnlyList<string> Without(IEnumerable<PlannedObject> claims)
    {
        var names = claims.Select(one => $"{one.Target.Namespace}/{one.Target.Name}").ToList();
        return names.Count == 0 ? [] :
        [
            $"data of claims: not restored, since volumes= names no directory; the restore point has that of {string.Join(", ", names.Take(FewestFiles))}{(names.Count > FewestFiles ? $" and {names.Count - FewestFiles} more" : "")}",
        ];
    }

    /// <summary>Brings the volumes of a confirmed plan to the state of the restore point; what an interrupted attempt finished is left.</summary>
    /// <exception cref="EngineException">What the volumes' driver says: a volume was changed since it was looked at, and the like. Those before it stay, and can be taken back.</exception>
    internal async Task ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        foreach (var part in PartsOf(work.Plan))
        {
            var one = work with { Plan = part, ConfirmedHash = part.Hash };
            if (await volumes.FindFinishedAsync(one, cancellationToken) is null)
            {
                await volumes.ExecuteAsync(one, cancellationToken);
            }
        }
    }

    /// <summary>Brings every volume back to what it was.</summary>
    /// <returns>A sentence for each volume that had been changed, and for each that could not be brought back.</returns>
    internal async Task<(IReadOnlyList<string> Found, IReadOnlyList<string> Left)> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        var (found, left) = (new List<string>(), new List<string>());
        foreach (var part in PartsOf(plan))
        {
            try
            {
                if (await volumes.TakeBackAsync(part, operation, cancellationToken) is { } text)
                {
                    found.Add(text);
                }
            }
            catch (EngineException fault)
            {
                // The others are brought back all the same.
                left.Add(fault.Message);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                left.Add($"{((DirectoryTarget)RestoreTarget.Parse(part.Target, "/")).Path} could not be brought back: {fault.Message}");
            }
        }

        return (found, left);
    }

    /// <summary>The claims in the target whose data a plan's notes say it writes.</summary>
    internal static IReadOnlyList<KubeObjectKey> ClaimsIn(IReadOnlyList<string> notes) =>
    [
        .. from note in notes
           where note.StartsWith(Note, StringComparison.Ordinal)
           let parts = note[Note.Length..].Split(": ", 2)
           where parts is [_, var what] && what.StartsWith(Written, StringComparison.Ordinal)
           let name = parts[0].Split('/')
           where name.Length == 2
           select new KubeObjectKey("", "PersistentVolumeClaim", name[0], name[1]),
    ];

    /// <summary>True where it writes into a volume.</summary>
    internal static bool WritesAny(IReadOnlyList<string> notes) => notes.Any(note => note.StartsWith(Bound, StringComparison.Ordinal));

    /// <summary>The directories that a plan writes the data of claims into.</summary>
    internal static IReadOnlyList<string> PlacesIn(RestorePlan plan) =>
        [.. PartsOf(plan).Select(part => RestoreTarget.Parse(part.Target, "/")).OfType<DirectoryTarget>().Select(target => target.Path)];

    /// <summary>The plans of the volumes, as the notes of the whole plan hold them: its hash covers them.</summary>
    private static IEnumerable<RestorePlan> PartsOf(RestorePlan plan) =>
        from note in plan.Notes
        where note.StartsWith(Bound, StringComparison.Ordinal)
        let parts = note[Bound.Length..].Split(' ', 2)
        select plan with { Kind = VolumeDriver.ManifestKind, Target = parts[1], Difference = parts[0], Notes = [], Artifacts = [] };

    internal static bool IsTwin(JsonObject host, KubeObjectKey claim)
    {
        var annotations = host["metadata"]?["annotations"];
        return annotations?["vcluster.loft.sh/object-namespace"]?.GetValue<string>() == claim.Namespace && annotations?["vcluster.loft.sh/object-name"]?.GetValue<string>() == claim.Name;
    }
}
