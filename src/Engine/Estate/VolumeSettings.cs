namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>How a volume is held still while it is read.</summary>
/// <param name="FreezeCommand">Program and arguments, no shell; null with <paramref name="Fsfreeze"/>.</param>
/// <param name="ThawCommand">Undoes it. Must succeed on what is not frozen, since it is run after every doubt.</param>
/// <param name="Fsfreeze">True: the volume's file system itself is frozen.</param>
/// <param name="Timeout">How long one of the commands may take.</param>
/// <param name="FrozenLimit">The longest time that writers are held up; then the volume is thawed and the backup fails.</param>
public sealed record VolumeHooks(IReadOnlyList<string>? FreezeCommand, IReadOnlyList<string>? ThawCommand, bool Fsfreeze, TimeSpan Timeout, TimeSpan FrozenLimit)
{
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    public static readonly TimeSpan DefaultFrozenLimit = TimeSpan.FromMinutes(2);
}

/// <summary>A PersistentVolumeClaim whose volume is protected.</summary>
/// <param name="Kubeconfig">The file that leads to its cluster.</param>
/// <param name="Namespace">Its namespace there.</param>
/// <param name="Name">Its name.</param>
public sealed record ClaimSettings(string Kubeconfig, string Namespace, string Name)
{
    public const string DefaultKubeletDirectory = "/var/lib/kubelet";

    /// <summary>The directory below which directories of a node may be read that are volumes (hostPath, local); null: none is.</summary>
    public string? VolumesDirectory { get; init; }

    /// <summary>Where the node's kubelet mounts the volumes of its Pods.</summary>
    public string KubeletDirectory { get; init; } = DefaultKubeletDirectory;

    /// <inheritdoc/>
    public override string ToString() => $"claim {Namespace}/{Name}";
}

/// <summary>How a claim is backed up from a CSI VolumeSnapshot of it.</summary>
/// <param name="ReadyTimeout">How long each step may take: until the snapshot is ready, until its copy is mounted, until all of it is gone.</param>
public sealed record SnapshotSettings(TimeSpan ReadyTimeout)
{
    public const string DefaultPodImage = "registry.k8s.io/pause:3.9";

    public static readonly TimeSpan DefaultReadyTimeout = TimeSpan.FromMinutes(5);

    /// <summary>The VolumeSnapshotClass; null for the cluster's default one for the volume's driver.</summary>
    public string? Class { get; init; }

    /// <summary>The StorageClass of the claim that is made from the snapshot; null for the claim's own.</summary>
    public string? StorageClass { get; init; }

    /// <summary>What the Pod runs that has the copy mounted; it does nothing.</summary>
    public string PodImage { get; init; } = DefaultPodImage;
}

/// <summary>A volume source's settings: either <see cref="Path"/> or <see cref="Claim"/>.</summary>
/// <param name="Path">A directory, a file that holds a raw image, or a block device; absolute. Null for a claim, whose directory its cluster knows.</param>
public sealed record VolumeSettings(string? Path)
{
    /// <summary>Null for a path.</summary>
    public ClaimSettings? Claim { get; init; }

    /// <summary>Of a claim: read from a snapshot; null where its volume itself is read.</summary>
    public SnapshotSettings? Snapshot { get; init; }

    /// <summary>What its restore points know it by: the path, or the claim, whose directory may be another at each backup.</summary>
    public string Place => Path ?? Claim!.ToString();

    /// <summary>What is left out, in the words of .gitignore.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>True to leave out what is mounted below the path.</summary>
    public bool OneFileSystem { get; init; }

    /// <summary>True: a mount point or below one other than <c>/</c>, from the first backup on. False: never asked. Null: what it was at the last backup.</summary>
    public bool? RequireMount { get; init; }

    /// <summary>True where a volume that had files and has none any more is backed up all the same.</summary>
    public bool MayBeEmptied { get; init; }

    /// <summary>Null where it is read as it is.</summary>
    public VolumeHooks? Hooks { get; init; }

    /// <summary>The node whose agent reads it; null where the console's own workers do.</summary>
    public string? Node { get; init; }
}
