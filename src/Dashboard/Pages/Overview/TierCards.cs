using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Tiers;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Dashboard.Pages.Overview;

/// <summary>A tier as a card: what it uses, and when it was looked at.</summary>
internal static class TierCards
{
    public static TierCardModel From(StorageTier tier, int index, TierUsage? usage, TimeProvider time) => new(
        tier.Name, Place(tier), Icon(index), StatusOf(usage), StatusText(usage, time), usage?.UsedBytes ?? 0, usage?.CapacityBytes, null,
        usage?.FreeBytes is { } free ? Figures.Format(PageTexts.TierFree, Figures.Bytes(free)) : null,
        usage is null ? PageTexts.TierNotLooked
            : usage.Fault ?? Figures.Format(PageTexts.TierObjects, usage.Objects, usage.LastWriteAt is { } at ? Figures.Age(time.GetUtcNow() - at) : PageTexts.GraphNever));

    /// <summary>That a store answered says nothing of the data on it, but it is a service that answered when it was asked.</summary>
    public static Status StatusOf(TierUsage? usage) => usage switch
    {
        null => Status.Unproven,
        { Fault: not null } => Status.Failed,
        _ => Status.Answers,
    };

    public static string Icon(int index) => index switch
    {
        0 => IconShape.TierHot,
        1 => IconShape.TierWarm,
        _ => IconShape.TierCold,
    };

    /// <summary>Where a tier stands: as the operators say it; else a store elsewhere is named by its own address.</summary>
    public static string Place(StorageTier tier)
    {
        if (tier.Location is { } said)
        {
            return said;
        }

        var url = StoreUrl.Parse(tier.Store);
        return url.LocalFolder is null ? url.Display : PageTexts.TierLocal;
    }

    private static string StatusText(TierUsage? usage, TimeProvider time) => usage switch
    {
        null => PageTexts.TierNotLooked,
        { Fault: not null } => Figures.Format(PageTexts.TierFailing, Figures.Age(time.GetUtcNow() - usage.At)),
        _ => Figures.Format(PageTexts.TierAnswered, Figures.Age(time.GetUtcNow() - usage.At)),
    };
}
