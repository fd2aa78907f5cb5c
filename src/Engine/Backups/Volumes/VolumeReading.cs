namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>A volume as one backup reads it.</summary>
/// <param name="Name">What its restore points know it by.</param>
/// <param name="Place">Where it is now; of a claim that may be another place each time.</param>
/// <param name="Volume">Of a claim: the PersistentVolume that it is bound to.</param>
internal sealed record VolumeReading(string Name, VolumePlace Place, string? Volume)
{
    /// <summary>Set where <see cref="Place"/> holds a snapshot's copy, which nobody writes to.</summary>
    public SnapshotCut? Snapshot { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        Volume is null ? Place.ToString() : $"{Name}, {(Snapshot is null ? "" : "a snapshot of its ")}volume {Volume}, read at {Place}";
}

/// <summary>The instant that a snapshot is of.</summary>
/// <param name="CutAt">As the cluster says it.</param>
/// <param name="Class">The VolumeSnapshotClass; null where the cluster does not say which.</param>
/// <param name="Held">For how long writers were held up for it.</param>
/// <param name="How">How they were; null where they were not.</param>
internal sealed record SnapshotCut(DateTimeOffset CutAt, string? Class, TimeSpan Held, string? How);
