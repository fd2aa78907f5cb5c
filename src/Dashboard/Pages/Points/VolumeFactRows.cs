using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A volume's facts in the reader's words.</summary>
internal static class VolumeFactRows
{
    /// <summary>The facts of a volume's restore point; null for other kinds.</summary>
    public static VolumeFacts? Read(RestorePointRow point) =>
        point is { Kind: VolumeDriver.ManifestKind, FactsJson: { } json } ? VolumeFacts.TryParse(JsonElement.Parse(json)) : null;

    /// <summary>One line for a table: files, and how many of them are new or changed.</summary>
    public static string? Line(RestorePointRow point) => Line(Read(point));

    /// <summary>The same of the newest restore point of a source.</summary>
    public static string? Line(SourceStanding standing) =>
        standing is { Source.Kind: SourceKind.Volume, Facts.NewestFactsJson: { } json } ? Line(VolumeFacts.TryParse(JsonElement.Parse(json))) : null;

    private static string? Line(VolumeFacts? facts) => facts is { Unreadable: > 0 } ? Figures.Format(VolumeTexts.LineUnreadable, Files(facts), facts.Unreadable) : facts is null ? null : Files(facts);

    private static string Files(VolumeFacts facts) =>
        facts.Since is null ? Figures.Format(VolumeTexts.LineFirst, facts.Files)
        : Figures.Format(facts.SnapshotAt is null ? VolumeTexts.Line : VolumeTexts.LineRead, facts.Files, facts.ChangedFiles);

    /// <summary>What a source's page says of where its volume is and how it is read.</summary>
    public static IEnumerable<NamedFact> Of(VolumeSettings volume)
    {
        if (volume.Claim is { } claim)
        {
            yield return new NamedFact(VolumeTexts.FactClaim, $"{claim.Namespace}/{claim.Name}");
            yield return new NamedFact(VolumeTexts.FactRead, volume.Snapshot is not { } snapshot ? VolumeTexts.ReadMounted
                : snapshot.Class is { } name ? Figures.Format(VolumeTexts.ReadSnapshotOf, name) : VolumeTexts.ReadSnapshot);
        }
        else
        {
            yield return new NamedFact(VolumeTexts.FactPath, volume.Place);
        }

        yield return new NamedFact(VolumeTexts.FactNode, volume.Node ?? VolumeTexts.NodeHere);
    }

    /// <summary>What a restore point's page says of a volume.</summary>
    public static IEnumerable<NamedFact> Of(VolumeFacts facts, TimeProvider time)
    {
        yield return new NamedFact(VolumeTexts.FactPath, facts.Path);
        if (facts.Volume is { } bound)
        {
            yield return new NamedFact(VolumeTexts.FactVolume, bound);
            yield return new NamedFact(VolumeTexts.FactRead, facts.ReadAt ?? "");
        }

        if (facts.Form == VolumeFacts.DirectoryForm)
        {
            yield return new NamedFact(VolumeTexts.FactFiles, Figures.Count(facts.Files));
            yield return new NamedFact(VolumeTexts.FactFolders, Figures.Count(facts.Directories));
            yield return new NamedFact(VolumeTexts.FactLinks, Figures.Count(facts.Links + facts.HardLinks));
            // The files of a snapshot's copy may all look new, since they are other files with the same content.
            yield return new NamedFact(facts.SnapshotAt is null ? VolumeTexts.FactChanged : VolumeTexts.FactReadAnew, facts.Since is null ? VolumeTexts.FirstOne : Figures.Format(VolumeTexts.ChangedValue, facts.ChangedFiles, Figures.Bytes(facts.ChangedBytes)));
        }

        yield return new NamedFact(VolumeTexts.FactContent, Figures.Bytes(facts.ContentBytes));
        if (facts.Unreadable > 0)
        {
            yield return new NamedFact(VolumeTexts.FactUnreadable, Figures.Format(VolumeTexts.UnreadableValue, facts.Unreadable));
        }

        if (facts.SnapshotAt is { } cut)
        {
            yield return new NamedFact(VolumeTexts.FactSnapshot, facts.SnapshotClass is { } name
                ? Figures.Format(VolumeTexts.SnapshotOfClass, name, Figures.Exact(cut, time)) : Figures.Exact(cut, time));
        }

        yield return new NamedFact(VolumeTexts.FactHeld, facts.HeldSeconds is { } seconds
            ? Figures.Format(VolumeTexts.HeldValue, facts.HeldStill ?? "", Figures.Duration(TimeSpan.FromSeconds(seconds))) : facts.SnapshotAt is null ? VolumeTexts.NotHeld : VolumeTexts.NotHeldForCut);
        if (facts.MountPoint is not null)
        {
            yield return new NamedFact(VolumeTexts.FactMount, $"{facts.MountPoint} ({facts.FileSystem})");
        }
    }
}
