using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>What of a volume is to be restored, and how much that is.</summary>
/// <param name="Artifact">The artifact that holds it.</param>
/// <param name="Part">A folder or file of the tree; null for all of it.</param>
/// <param name="FileName">Set where it is one file: its name; a folder's content becomes the target's own.</param>
/// <param name="Items">Files, folders and links.</param>
/// <param name="ContentBytes">The space that it needs, at most.</param>
internal sealed record VolumePart(StoredArtifact Artifact, string? Part, string? FileName, long Items, long ContentBytes)
{
    /// <summary>True for a block device, which is a stream and no tree.</summary>
    public bool IsStream => Artifact.Type == StoredArtifact.StreamType;

    /// <summary>Finds it in a restore point.</summary>
    /// <exception cref="EngineException"><c>tree-path-missing</c>; <c>restore-target-invalid</c> for a part of a device.</exception>
    public static async Task<VolumePart> FindAsync(BackupRepository repository, Manifest manifest, string? part, CancellationToken cancellationToken)
    {
        var facts = VolumeFacts.Of(manifest);
        var artifact = manifest.Artifacts[0];
        if (facts.Form != VolumeFacts.DirectoryForm)
        {
            return part is null
                ? new VolumePart(artifact, null, artifact.Name, 1, facts.Form == VolumeFacts.ImageForm ? facts.ContentBytes : artifact.Length)
                : throw new EngineException("restore-target-invalid", ErrorKind.Input, $"restore point {manifest.Id.Short} is a raw {facts.Form} and has no parts", "Leave part out.");
        }

        if (part is null)
        {
            return new VolumePart(artifact, null, null, artifact.Items ?? 0, facts.ContentBytes);
        }

        var (items, bytes, isFile) = (0L, 0L, false);
        await foreach (var entry in repository.ListTreeAsync(manifest, artifact.Name, part, recursive: true, cancellationToken))
        {
            items++;
            bytes += entry.Size;
            isFile |= entry.Path == part;
        }

        return new VolumePart(artifact, part, isFile ? part[(part.LastIndexOf('/') + 1)..] : null, items, bytes);
    }

    /// <summary>Where its root goes, given the target's directory.</summary>
    public string RootIn(string directory) => FileName is null ? directory : Path.Combine(directory, FileName);
}
