using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Kinds;

/// <summary>Volumes: files and how many of them were read, what could not be, and for how long writers were held up.</summary>
internal sealed class VolumeWords : KindWords
{
    public override SourceKind Kind => SourceKind.Volume;

    public override string Name => PageTexts.KindVolume;

    public override string Icon => IconShape.Volume;

    public override IReadOnlyList<string> CostColumns =>
    [
        VolumeTexts.FactFiles, VolumeTexts.FactReadAnew, KindTexts.ColumnBytesRead, PageTexts.ColumnNew, VolumeTexts.FactUnreadable, KindTexts.FactChangedWhileRead, KindTexts.ColumnHeld,
    ];

    public override IEnumerable<NamedFact> Of(Source source)
    {
        if (source.Volume is not { } volume)
        {
            yield break;
        }

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
        yield return new NamedFact(VolumeTexts.FactExcluded, volume.Exclude.Count == 0 ? PageTexts.NoneWord : Figures.List(volume.Exclude));
    }

    public override KindSheet Read(PointContent content, TimeProvider time) => VolumeFacts.TryParse(content.Facts) is not { } facts ? KindSheet.None : new KindSheet
    {
        Holds = Holds(facts),
        Cost = CostLine(facts),
        Brief = IsTree(facts)
            ? [new NamedFact(VolumeTexts.FactFiles, Figures.Count(facts.Files)), new NamedFact(VolumeTexts.FactReadAnew, Figures.Count(facts.ChangedFiles))]
            : [new NamedFact(KindTexts.FactImage, Figures.Bytes(facts.Bytes))],
        Facts = [.. Facts(facts, time)],
        CostFacts = [.. CostFacts(facts, content.StoredBytes)],
        Costs =
        [
            Figures.Count(facts.Files), Figures.Count(facts.ChangedFiles), Figures.Bytes(facts.ChangedBytes), content.StoredBytes is { } stored ? Figures.Bytes(stored) : KindSheet.Unknown,
            Figures.Count(facts.Unreadable), Counted(facts.ChangedWhileRead), facts.HeldSeconds is { } held ? Figures.Duration(TimeSpan.FromSeconds(held)) : KindSheet.Unknown,
        ],
    };

    private static bool IsTree(VolumeFacts facts) => facts.Form == VolumeFacts.DirectoryForm;

    private static string Holds(VolumeFacts facts)
    {
        var holds = !IsTree(facts) ? Figures.Format(KindTexts.ImageLine, Figures.Bytes(facts.Bytes), Figures.Bytes(facts.ContentBytes))
            : facts.Since is null ? Figures.Format(VolumeTexts.LineFirst, facts.Files)
            : Figures.Format(facts.SnapshotAt is null ? VolumeTexts.Line : VolumeTexts.LineRead, facts.Files, facts.ChangedFiles);
        holds = facts.Unreadable > 0 ? Figures.Format(VolumeTexts.LineUnreadable, holds, facts.Unreadable) : holds;
        return facts.ChangedWhileRead is > 0 and var changed ? Figures.Format(KindTexts.LineChangedWhileRead, holds, changed) : holds;
    }

    private static string CostLine(VolumeFacts facts)
    {
        var read = Figures.Format(KindTexts.CostBytesRead, Figures.BytesOf(facts.ChangedBytes, facts.ContentBytes));
        return facts.HeldSeconds is { } held ? Figures.List([read, Figures.Format(KindTexts.CostHeld, Figures.Duration(TimeSpan.FromSeconds(held)))]) : read;
    }

    private static IEnumerable<NamedFact> Facts(VolumeFacts facts, TimeProvider time)
    {
        yield return new NamedFact(VolumeTexts.FactPath, facts.Path);
        if (facts.Volume is { } bound)
        {
            yield return new NamedFact(VolumeTexts.FactVolume, bound);
            yield return new NamedFact(VolumeTexts.FactRead, facts.ReadAt ?? KindSheet.Unknown);
        }

        yield return new NamedFact(PageTexts.FactReadHow, facts.Node is { } node ? Figures.Format(KindTexts.WayOfNode, Way(facts), node) : Way(facts));
        if (facts.SnapshotAt is { } cut)
        {
            yield return new NamedFact(VolumeTexts.FactSnapshot, facts.SnapshotClass is { } name
                ? Figures.Format(VolumeTexts.SnapshotOfClass, name, Figures.Exact(cut, time)) : Figures.Exact(cut, time));
        }

        if (IsTree(facts))
        {
            yield return new NamedFact(VolumeTexts.FactFiles, Figures.Count(facts.Files));
            yield return new NamedFact(VolumeTexts.FactFolders, Figures.Count(facts.Directories));
            yield return new NamedFact(VolumeTexts.FactLinks, Figures.Count(facts.Links + facts.HardLinks));
            yield return new NamedFact(KindTexts.FactBytes, Figures.Bytes(facts.Bytes));
        }
        else
        {
            yield return new NamedFact(KindTexts.FactImage, Figures.Bytes(facts.Bytes));
        }

        yield return new NamedFact(VolumeTexts.FactContent, Figures.Bytes(facts.ContentBytes));
        yield return new NamedFact(VolumeTexts.FactUnreadable, facts.Unreadable > 0 ? Figures.Format(VolumeTexts.UnreadableValue, facts.Unreadable) : Figures.Count(0));
        if (facts.Form != VolumeFacts.DeviceForm)
        {
            yield return new NamedFact(KindTexts.FactChangedWhileRead, Counted(facts.ChangedWhileRead));
        }

        if (facts.MountPoint is not null)
        {
            yield return new NamedFact(VolumeTexts.FactMount, $"{facts.MountPoint} ({facts.FileSystem})");
        }
    }

    private static IEnumerable<NamedFact> CostFacts(VolumeFacts facts, long? storedBytes)
    {
        if (IsTree(facts))
        {
            // The files of a snapshot's copy may all look new, since they are other files with the same content.
            yield return new NamedFact(facts.SnapshotAt is null && facts.Since is not null ? VolumeTexts.FactChanged : VolumeTexts.FactReadAnew, facts.Since is null
                ? VolumeTexts.FirstOne : Figures.Format(KindTexts.ReadOfAll, facts.ChangedFiles, facts.Files));
        }

        yield return new NamedFact(KindTexts.ColumnBytesRead, Figures.BytesOf(facts.ChangedBytes, facts.ContentBytes));
        yield return new NamedFact(KindTexts.FactStored, storedBytes is { } stored ? Figures.Bytes(stored) : KindSheet.Unknown);
        yield return new NamedFact(VolumeTexts.FactHeld, facts.HeldSeconds is { } seconds
            ? Figures.Format(VolumeTexts.HeldValue, facts.HeldStill ?? "", Figures.Duration(TimeSpan.FromSeconds(seconds))) : facts.SnapshotAt is null ? VolumeTexts.NotHeld : VolumeTexts.NotHeldForCut);
    }

    private static string Way(VolumeFacts facts) => facts switch
    {
        { SnapshotAt: not null } => KindTexts.WaySnapshot,
        { Form: VolumeFacts.ImageForm } => KindTexts.WayImage,
        { Form: VolumeFacts.DeviceForm } => KindTexts.WayDevice,
        { Volume: not null } => KindTexts.WayClaim,
        _ => KindTexts.WayDirectory,
    };

    private static string Counted(long? count) => count is { } known ? Figures.Count(known) : KindSheet.Unknown;
}
