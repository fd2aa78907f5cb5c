using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Captures the data of a virtual cluster's claims: each a file tree, of which only changed files are read. Only volumes that are
/// directories below the one that is configured are read: what a volume says of its path may be a tenant's text.
/// </summary>
/// <param name="access">The cluster.</param>
/// <param name="settings">How it is reached, and where its volumes are.</param>
/// <param name="sources">Sources that back a claim of the host up by itself, by the claim's name there.</param>
internal sealed class ClaimVolumes(VClusterAccess access, VClusterSettings settings, IReadOnlyDictionary<string, string>? sources = null)
{
    /// <summary>What became of the claims' data.</summary>
    /// <param name="Stored">Those that are in the restore point.</param>
    /// <param name="Missing">Those that are not.</param>
    /// <param name="Unreadable">As <see cref="ClusterInventory.UnreadableItems"/>.</param>
    public sealed record Capture(IReadOnlyList<CapturedVolume> Stored, IReadOnlyList<MissingClaim> Missing, IReadOnlyDictionary<string, long> Unreadable);

    /// <summary>Stores what can be read, and names what cannot.</summary>
    /// <param name="repository">Where the last restore point is.</param>
    /// <param name="last">What unchanged files are taken over from; null to read all.</param>
    /// <exception cref="EngineException"><c>volume-emptied</c>: a claim has lost all of its files since the last restore point.</exception>
    public async Task<Capture> StoreAsync(
        BackupRepository repository, Manifest? last, BackupSession session, IProgress<TransferProgress>? progress, Action<string, string>? log, List<string> warnings,
        CancellationToken cancellationToken)
    {
        var claims = await ListAsync(warnings, cancellationToken).ConfigureAwait(false);
        if (claims.Count > 0 && settings.VolumesDirectory is null)
        {
            const string Unset = "VCluster:VolumesDirectory does not say below which directory their volumes are";
            warnings.Add($"the data of {claims.Count} claims is not in this restore point: {Unset}");
            return new Capture([], [.. claims.Select(one => MissingOf(one.Namespace, one.Name, one.Claim, Unset))], new Dictionary<string, long>());
        }

        var before = last is null || claims.Count == 0 ? [] : await ReadLastAsync(repository, last, cancellationToken).ConfigureAwait(false);
        var (stored, missing, unreadable) = (new List<CapturedVolume>(), new List<MissingClaim>(), new SortedDictionary<string, long>(StringComparer.Ordinal));
        foreach (var (ns, name, claim) in claims)
        {
            var (volume, path, problem) = await FindAsync(claim, cancellationToken).ConfigureAwait(false);
            if (path is null)
            {
                var lacks = MissingOf(ns, name, claim, problem);
                warnings.Add($"the data of claim {ns}/{name} is not in this restore point: {problem}{(lacks.BackedUpBy is { } source ? $"; source {source} backs it up by itself" : "")}");
                // One that waits for its volume has no data yet.
                if (BoundVolume.NameIn(claim) is not null)
                {
                    missing.Add(lacks);
                }

                continue;
            }

            var captured = new CapturedVolume(ns, name, volume, path, VClusterArtifacts.VolumeOf(ns, name));
            log?.Invoke("volume", $"reading claim {ns}/{name} at {path}");
            var tree = await session.WriteTreeAsync(captured.Artifact, [path], new TreeOptions
            {
                // Another volume, or one at another place, is another content by the same names.
                ParentArtifact = before.Contains(captured) ? captured.Artifact : null,
                Exclude = [VolumeUndo.FolderPattern],
                OneFileSystem = true,
            }, progress, cancellationToken).ConfigureAwait(false);
            warnings.AddRange(tree.Warnings.Select(warning => $"claim {ns}/{name}: {warning}"));
            if (before.Contains(captured))
            {
                LookForLoss(captured, tree, last, warnings);
            }

            if (tree.Unreadable > 0)
            {
                unreadable[$"{ns}/{name}"] = tree.Unreadable;
                warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{tree.Unreadable} items of claim {ns}/{name} could not be read and are MISSING from this restore point"));
            }

            stored.Add(captured);
        }

        return new Capture(stored, missing, unreadable);
    }

    private MissingClaim MissingOf(string ns, string name, JsonObject claim, string why) =>
        new(ns, name, why) { BackedUpBy = sources?.GetValueOrDefault(claim["metadata"]!["name"]!.GetValue<string>()) };

    /// <summary>
    /// As of a volume by itself, an unmounted disk must not push out the restore points that have the files. A tenant who clears a cache
    /// must not keep the whole cluster from being backed up: that is a warning.
    /// </summary>
    private void LookForLoss(CapturedVolume captured, StoredArtifact tree, Manifest? last, List<string> warnings)
    {
        var before = last?.Artifacts.FirstOrDefault(one => one.Name == captured.Artifact && one.Type == StoredArtifact.TreeType)?.Counts?.Files;
        var now = tree.Counts?.Files;
        if (settings.MayBeEmptied || !VolumePreflight.IsEmptied(before, now))
        {
            return;
        }

        var lost = string.Create(CultureInfo.InvariantCulture, $"the volume of claim {captured.Namespace}/{captured.Claim} at {captured.Path} has {now} files, and had {before} at the last backup");
        if (now == 0)
        {
            throw new EngineException("volume-emptied", ErrorKind.Conflict, lost,
                "look whether it is mounted and who deleted them; where it is meant to be empty, set VCluster:MayBeEmptied for this source. No restore point was made.");
        }

        warnings.Add(lost);
    }

    private async Task<List<(string Namespace, string Name, JsonObject Claim)>> ListAsync(List<string> warnings, CancellationToken cancellationToken)
    {
        try
        {
            return
            [
                .. from claim in await VolumeRetention.ClaimsAsync(access, cancellationToken).ConfigureAwait(false)
                   let annotations = claim["metadata"]?["annotations"]
                   let ns = annotations?["vcluster.loft.sh/object-namespace"]?.GetValue<string>()
                   let name = annotations?["vcluster.loft.sh/object-name"]?.GetValue<string>()
                   where ns is not null && name is not null
                   orderby ns, name
                   select (ns, name, claim),
            ];
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Denied)
        {
            warnings.Add($"no claim's data is in this restore point: {fault.Message}");
            return [];
        }
    }

    /// <summary>A damaged restore point must not stop the next one: all files are read then.</summary>
    private static async Task<IReadOnlyList<CapturedVolume>> ReadLastAsync(BackupRepository repository, Manifest last, CancellationToken cancellationToken)
    {
        try
        {
            return (await ClusterInventory.ReadAsync(repository, last, cancellationToken).ConfigureAwait(false)).Volumes ?? [];
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound or ErrorKind.Unsupported)
        {
            return [];
        }
    }

    /// <summary>Finds the directory of a claim's volume, or says why there is none to read.</summary>
    public async Task<(string Volume, string? Path, string Problem)> FindAsync(JsonObject claim, CancellationToken cancellationToken)
    {
        try
        {
            var volume = await BoundVolume.FindAsync(access.Host, claim, cancellationToken).ConfigureAwait(false);
            if (volume.Directory is null)
            {
                return (volume.Name, null, volume.Spec is null
                    ? volume.Problem
                    : $"its volume {volume.Name} is no directory of a node ({volume.Driver}); back it up by itself, as a source of kind volume with a Claim");
            }

            var (path, problem) = volume.Look(settings.VolumesDirectory!);
            return (volume.Name, path, problem);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Denied)
        {
            return (BoundVolume.NameIn(claim) ?? "", null, fault.Message);
        }
    }
}
