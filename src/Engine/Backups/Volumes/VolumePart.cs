using Hexabase.DrConsole.Engine.Backups.VClusters;
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
        if (manifest is { Kind: VClusterBackup.Kind })
        {
            var (volume, below) = FindClaim(manifest, part);
            return await OfTreeAsync(repository, manifest, volume, below, volume.Counts?.ContentBytes ?? volume.Length, cancellationToken);
        }

        var facts = VolumeFacts.Of(manifest);
        var artifact = manifest.Artifacts[0];
        if (facts.Form != VolumeFacts.DirectoryForm)
        {
            return part is null
                ? new VolumePart(artifact, null, artifact.Name, 1, facts.Form == VolumeFacts.ImageForm ? facts.ContentBytes : artifact.Length)
                : throw new EngineException("restore-target-invalid", ErrorKind.Input, $"restore point {manifest.Id.Short} is a raw {facts.Form} and has no parts", "Leave part out.");
        }

        return await OfTreeAsync(repository, manifest, artifact, part, facts.ContentBytes, cancellationToken);
    }

    /// <summary>Where its root goes, given the target's directory.</summary>
    public string RootIn(string directory) => FileName is null ? directory : Path.Combine(directory, FileName);

    /// <summary>A restore point of a virtual cluster holds many volumes: the part begins with the claim's namespace and name.</summary>
    private static (StoredArtifact Artifact, string? Part) FindClaim(Manifest manifest, string? part)
    {
        var names = (part ?? "").Split('/', 3);
        var artifact = names.Length < 2 ? null : manifest.Artifacts.FirstOrDefault(one => one.Name == VClusterArtifacts.VolumeOf(names[0], names[1]));
        return artifact is not null
            ? (artifact, names.Length == 3 && names[2].Length > 0 ? names[2] : null)
            : throw new EngineException("volume-missing", ErrorKind.NotFound, $"restore point {manifest.Id.Short} holds no volume of claim {(names.Length < 2 ? "without a name" : $"{names[0]}/{names[1]}")}",
                $"Name one in part=namespace/claim; it holds: {string.Join(", ", manifest.Artifacts.Where(one => one.Type == StoredArtifact.TreeType).Select(one => one.Name))}.");
    }

    private static async Task<VolumePart> OfTreeAsync(
        BackupRepository repository, Manifest manifest, StoredArtifact artifact, string? part, long contentBytes, CancellationToken cancellationToken)
    {
        if (part is null)
        {
            return new VolumePart(artifact, null, null, artifact.Items ?? 0, contentBytes);
        }

        // As the tree writes it: a person may have escaped more.
        part = PathText.Of(PathText.Parse(part));
        var (items, bytes, isFile) = (0L, 0L, false);
        await foreach (var entry in repository.ListTreeAsync(manifest, artifact.Name, part, recursive: true, cancellationToken))
        {
            items++;
            bytes += entry.Size;
            isFile |= entry.Path == part;
        }

        return new VolumePart(artifact, part, isFile ? NameOf(part[(part.LastIndexOf('/') + 1)..]) : null, items, bytes);
    }

    /// <summary>The file's own name, which the text of a tree's path writes with escapes. One that is no UTF-8 no path of .NET can hold: it keeps its escapes.</summary>
    private static string NameOf(string escaped)
    {
        var name = PathText.Parse(escaped);
        return System.Text.Unicode.Utf8.IsValid(name) ? System.Text.Encoding.UTF8.GetString(name) : escaped;
    }
}
