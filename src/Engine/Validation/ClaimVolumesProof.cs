using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// The data of a virtual cluster's claims: step four counts each tree, step five restores one after the other into a scratch
/// folder that only this user enters, and compares every file's content and metadata with what the backup saw.
/// </summary>
internal sealed class ClaimVolumesProof(ProofWork work)
{
    private readonly List<StoredArtifact> _trees = [.. work.Manifest.Artifacts.Where(artifact => artifact.Type == StoredArtifact.TreeType)];

    /// <summary>Trees that are not what the manifest says: a sentence for each.</summary>
    public async Task<IReadOnlyList<string>> CountAsync(CancellationToken cancellationToken)
    {
        var faults = new List<string>();
        foreach (var tree in _trees)
        {
            var found = await work.Repository.CountTreeAsync(work.Manifest, tree.Name, cancellationToken);
            // What was read and what taken over is of the backup, not of the tree.
            if (tree.Counts is { } said && found with { ReadFiles = said.ReadFiles, ReadBytes = said.ReadBytes } != said)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"{tree.Name} has {found.Files} files with {found.ContentBytes} bytes, and {said.Files} with {said.ContentBytes} were stored"));
            }
        }

        return faults;
    }

    /// <summary>Goes on from what the cluster's objects gave.</summary>
    public async Task<StepOutcome> RestoreAsync(StepOutcome objects, CancellationToken cancellationToken)
    {
        if (objects.Status != ValidationStepStatus.Passed || _trees.Count == 0)
        {
            return objects;
        }

        LocalFolder.CreatePassage(work.Options.ScratchRoot);
        var name = ProcessRegistry.NewName("scratch-volume");
        var folder = Path.Combine(Path.GetFullPath(work.Options.ScratchRoot), name);
        // On record before it exists, so that after a crash the next start removes it.
        work.Registry.Write(work.Registry.NewRecord(name, $"scratch folder of {work.Manifest.Source}", Afterlife.Ended, folder, isServer: false));
        LocalFolder.CreatePrivate(folder);
        try
        {
            var (items, began) = (0L, work.Time.GetTimestamp());
            foreach (var tree in _trees)
            {
                work.Log?.Invoke(ValidationSteps.Restorability, $"restoring {tree.Name}");
                if (await RestoreAsync(tree, Path.Combine(folder, "restored"), cancellationToken) is var (count, fault) && fault is not null)
                {
                    return fault;
                }

                items += count;
            }

            return objects with
            {
                Reason = string.Create(CultureInfo.InvariantCulture, $"{objects.Reason}; all {items} files and folders of {Counted.Of(_trees.Count, "volume")} are equal in content and metadata"),
                RestoreSeconds = objects.RestoreSeconds + work.Time.GetElapsedTime(began).TotalSeconds,
                ComparedObjects = (int)Math.Min(objects.ComparedObjects + items, int.MaxValue),
            };
        }
        finally
        {
            BackupRepository.RemoveTree(folder);
            work.Registry.RemoveForGood(name);
        }
    }

    private async Task<(long Items, StepOutcome? Fault)> RestoreAsync(StoredArtifact tree, string target, CancellationToken cancellationToken)
    {
        var (bytes, space) = (tree.Counts?.ContentBytes ?? tree.Length, FileSystemSpace.Of(work.Options.ScratchRoot));
        if (space.FreeBytes < bytes || space.FreeInodes < tree.Items)
        {
            return (0, StepOutcome.CannotProve(string.Create(CultureInfo.InvariantCulture,
                $"{bytes} bytes in {tree.Items} files of {tree.Name} do not fit into {work.Options.ScratchRoot}, where {space.FreeBytes} bytes are free")));
        }

        Directory.CreateDirectory(target);
        await work.Repository.RestoreTreeAsync(work.Manifest, tree.Name, target, work.Progress, cancellationToken);
        var found = await work.Repository.CompareFullyAsync(work.Manifest, tree.Name, target, work.Progress, cancellationToken);
        // One after the other: the space is needed once.
        BackupRepository.RemoveTree(target);
        return (found.Items, found.IsEqual ? null : StepOutcome.Failed(
            string.Create(CultureInfo.InvariantCulture, $"{found.DifferenceCount} of {found.Items} items of {tree.Name} differ: {string.Join("; ", found.Differences.Take(5))}"), found.Differences));
    }
}
