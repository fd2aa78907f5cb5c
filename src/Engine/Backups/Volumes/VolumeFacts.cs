using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>What a volume was when it was backed up: the facts of its restore point.</summary>
public sealed record VolumeFacts
{
    /// <summary>A directory of files.</summary>
    public const string DirectoryForm = "directory";

    /// <summary>One file that holds a raw image.</summary>
    public const string ImageForm = "image";

    /// <summary>A block device.</summary>
    public const string DeviceForm = "device";

    /// <summary>Where it was, as configured: a path, or a claim.</summary>
    public required string Path { get; init; }

    /// <summary>Of a claim: the PersistentVolume that it was bound to.</summary>
    public string? Volume { get; init; }

    /// <summary>Of a claim: the directory that was read.</summary>
    public string? ReadAt { get; init; }

    /// <summary>One of the three forms.</summary>
    public required string Form { get; init; }

    public long Files { get; init; }

    public long Directories { get; init; }

    /// <summary>Symbolic links.</summary>
    public long Links { get; init; }

    /// <summary>Further names of files.</summary>
    public long HardLinks { get; init; }

    /// <summary>Fifos, sockets and devices.</summary>
    public long Others { get; init; }

    /// <summary>The lengths of all files.</summary>
    public long Bytes { get; init; }

    /// <summary>The same without holes: the space that a restore needs.</summary>
    public long ContentBytes { get; init; }

    /// <summary>
    /// Files that are new or changed since the restore point before; all of them in the first. In a snapshot's copy an unchanged file may be another one with the
    /// same content: these were read, whether they were changed or not.
    /// </summary>
    public long ChangedFiles { get; init; }

    /// <summary>The content that was read for them.</summary>
    public long ChangedBytes { get; init; }

    /// <summary>The restore point that unchanged files were taken over from; null for the first.</summary>
    public string? Since { get; init; }

    /// <summary>How many files that one had.</summary>
    public long? FilesBefore { get; init; }

    /// <summary>Items that could not be read and are missing.</summary>
    public long Unreadable { get; init; }

    /// <summary>Files that somebody wrote to while they were read; null where nobody counted: of a device, and of older restore points.</summary>
    public long? ChangedWhileRead { get; init; }

    /// <summary>The node whose agent read it; null where the console did, and in older restore points.</summary>
    public string? Node { get; init; }

    /// <summary>The mount point that the path lies on.</summary>
    public string? MountPoint { get; init; }

    /// <summary>What is mounted there: a device, a share.</summary>
    public string? MountSource { get; init; }

    /// <summary>The type of file system.</summary>
    public string? FileSystem { get; init; }

    /// <summary>How it was held still: <c>fsfreeze</c> or <c>command</c>; null where it was read as it was.</summary>
    public string? HeldStill { get; init; }

    /// <summary>For how long writers were held up.</summary>
    public double? HeldSeconds { get; init; }

    /// <summary>When the snapshot was cut that was read, as the cluster says it; null where the volume itself was read.</summary>
    public DateTimeOffset? SnapshotAt { get; init; }

    /// <summary>The snapshot's class.</summary>
    public string? SnapshotClass { get; init; }

    /// <summary>True where the content is of one instant.</summary>
    [JsonIgnore]
    public bool IsConsistent => HeldStill is not null || SnapshotAt is not null;

    /// <summary>The JSON that the manifest holds.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, VolumeJson.Default.VolumeFacts);

    /// <summary>The facts of a volume's restore point.</summary>
    /// <exception cref="EngineException"><c>facts-unreadable</c>.</exception>
    public static VolumeFacts Of(Manifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return TryParse(manifest.Facts) ?? throw new EngineException(
            "facts-unreadable", ErrorKind.Damaged, $"restore point {manifest.Id.Short} does not say what its volume was", "Take another restore point.");
    }

    /// <summary>Reads them; null where they are none of a volume.</summary>
    public static VolumeFacts? TryParse(JsonElement? json)
    {
        try
        {
            return json?.Deserialize(VolumeJson.Default.VolumeFacts);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VolumeFacts))]
[JsonSerializable(typeof(FreezeRecord))]
[JsonSerializable(typeof(Claims.SnapshotRecord))]
[JsonSerializable(typeof(UndoHeader))]
[JsonSerializable(typeof(UndoEntry))]
internal sealed partial class VolumeJson : JsonSerializerContext;
