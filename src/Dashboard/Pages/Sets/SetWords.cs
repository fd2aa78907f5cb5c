using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Sets;

/// <summary>Recovery sets in the reader's words.</summary>
internal static class SetWords
{
    public const string Page = "/sets";

    public static string Href(long run) => string.Create(CultureInfo.InvariantCulture, $"{Page}/{run}");

    /// <summary>A set is proven where each of its parts was restored and compared; a part that is missing or gone weakens it.</summary>
    public static Status StatusOf(SetRow set, ProtectedEstate estate, TimeProvider time)
    {
        var parts = set.Parts.Select(part => StatusOf(part, estate, time)).ToList();
        return !set.IsWhole ? Status.Degraded : parts.Contains(Status.Unproven) ? Status.Unproven : parts.Contains(Status.Stale) ? Status.Stale : Status.Proven;
    }

    /// <summary>Proven only as long as a proof of the source's class holds.</summary>
    public static Status StatusOf(SetPartRow part, ProtectedEstate estate, TimeProvider time) =>
        PointProof.OfProof(part.ProvenAt, estate.ProofLifetimeOf(part.Source), time.GetUtcNow());

    public static string Skew(SetRow set) => set.SkewSeconds is { } seconds ? Figures.Duration(TimeSpan.FromSeconds(seconds)) : SetTexts.OneMoment;

    public static string Held(SetRow set) => set switch
    {
        { HeldSeconds: null, HeldToEnd: null } => SetTexts.NotHeld,
        { HeldToEnd: true } => Length(set),
        _ => Figures.Format(SetTexts.HeldTooShort, Length(set)),
    };

    public static string Parts(SetRow set) => Figures.Format(SetTexts.PartsOf, set.Parts.Count(part => part.RestorePoint is not null), set.Parts.Count);

    private static string Length(SetRow set) => set.HeldSeconds is { } seconds ? Figures.Duration(TimeSpan.FromSeconds(seconds)) : PageTexts.NotMeasuredShort;
}
