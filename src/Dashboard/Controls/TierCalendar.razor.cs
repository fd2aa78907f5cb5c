using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>The days of one tier.</summary>
/// <param name="Tier">Its name.</param>
/// <param name="Icon">Path data from <see cref="IconShape"/>.</param>
/// <param name="Reach">How long it keeps: <c>90 days</c>.</param>
/// <param name="Weeks">Weeks, oldest first, each of seven days from Monday; null for days to come.</param>
/// <param name="Months">Column and name of each month that begins.</param>
/// <param name="Conclusion">What the calendar shows, in a sentence.</param>
/// <param name="Line">Figures, damage and delay.</param>
public sealed record TierCalendarModel(
    string Tier, string Icon, string Reach, IReadOnlyList<IReadOnlyList<SlotCell?>> Weeks, IReadOnlyList<(int Column, string Name)> Months, string Conclusion, string Line);

/// <summary>What one tier holds of a source, day by day: restored, read back, unread, behind, damaged, missing, or not kept by policy.</summary>
public partial class TierCalendar
{
    /// <summary>What to show.</summary>
    [Parameter, EditorRequired]
    public TierCalendarModel Model { get; set; } = default!;

    /// <summary>By weekday, so that the arrows go as the eye does.</summary>
    protected override IReadOnlyList<IReadOnlyList<SlotCell?>> Lines =>
        [.. Enumerable.Range(0, 7).Select(day => (IReadOnlyList<SlotCell?>)[.. Model.Weeks.Select(week => week[day])])];

    /// <summary>Newest first, without the days of which the policy wants nothing.</summary>
    private IReadOnlyList<SlotCell> Listed =>
        [.. Model.Weeks.SelectMany(week => week).OfType<SlotCell>().Where(cell => cell.Status is not (Status.NotKept or Status.NotDue)).Reverse()];

    private string Columns => string.Create(CultureInfo.InvariantCulture, $"grid-template-columns: repeat({Model.Weeks.Count}, minmax(0, 16px))");

    private static string Weekday(int day) => CultureInfo.CurrentCulture.DateTimeFormat.AbbreviatedDayNames[(day + 1) % 7];
}
