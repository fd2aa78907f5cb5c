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

    private static string? Line(VolumeFacts? facts) => facts is null ? null
        : facts.Since is null ? Figures.Format(VolumeTexts.LineFirst, facts.Files) : Figures.Format(VolumeTexts.Line, facts.Files, facts.ChangedFiles);

    public static IEnumerable<NamedFact> Of(VolumeFacts facts)
    {
        yield return new NamedFact(VolumeTexts.FactPath, facts.Path);
        if (facts.Form == VolumeFacts.DirectoryForm)
        {
            yield return new NamedFact(VolumeTexts.FactFiles, Figures.Count(facts.Files));
            yield return new NamedFact(VolumeTexts.FactFolders, Figures.Count(facts.Directories));
            yield return new NamedFact(VolumeTexts.FactLinks, Figures.Count(facts.Links + facts.HardLinks));
            yield return new NamedFact(VolumeTexts.FactChanged, facts.Since is null ? VolumeTexts.FirstOne : Figures.Format(VolumeTexts.ChangedValue, facts.ChangedFiles, Figures.Bytes(facts.ChangedBytes)));
        }

        yield return new NamedFact(VolumeTexts.FactContent, Figures.Bytes(facts.ContentBytes));
        if (facts.Unreadable > 0)
        {
            yield return new NamedFact(VolumeTexts.FactUnreadable, Figures.Format(VolumeTexts.UnreadableValue, facts.Unreadable));
        }

        yield return new NamedFact(VolumeTexts.FactHeld, facts.HeldSeconds is { } seconds
            ? Figures.Format(VolumeTexts.HeldValue, facts.HeldStill ?? "", Figures.Duration(TimeSpan.FromSeconds(seconds))) : VolumeTexts.NotHeld);
        yield return new NamedFact(VolumeTexts.FactMount, $"{facts.MountPoint} ({facts.FileSystem})");
    }
}
