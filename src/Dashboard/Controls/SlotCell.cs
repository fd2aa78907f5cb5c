using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One slot of a ladder, or one day of a tier.</summary>
/// <param name="Status">Proven (restored), ReadBack, Stored, Behind, Damaged, Missing, NotDue or NotKept.</param>
/// <param name="When">Its period: <c>Tue 24 Nov</c>.</param>
/// <param name="Reason">How that is known, or why there is nothing.</param>
/// <param name="Href">The restore point in it, or null.</param>
public sealed record SlotCell(Status Status, string When, string Reason, string? Href = null)
{
    /// <summary>True for the period that is still going on.</summary>
    public bool IsNow { get; init; }

    /// <summary>True where something that should be there is not whole.</summary>
    public bool IsBad => Status is Status.Missing or Status.Damaged;

    /// <summary>The state's word; of a slot the best is "restored".</summary>
    public string Word => WordOf(Status);

    /// <summary>Classes of the mark, without what the chart adds.</summary>
    public string Css => CssOf(Status);

    /// <summary>What a reader hears of it.</summary>
    public string Said => Figures.Format(Texts.SlotSaid, When, Word, Reason);

    internal static string WordOf(Status status) => status == Status.Proven ? Texts.SlotRestored : StatusWords.Of(status).Word;

    internal static string CssOf(Status status) => $"slot {StatusWords.Of(status).ToneClass} {status.ToString().ToLowerInvariant()}";
}
