using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>Fills the ladder of a source's class: a slot per period of each rung, in UTC as retention counts.</summary>
internal static class LadderRungs
{
    private const int BadOnesNamed = 2;

    public static IReadOnlyList<LadderRung> Of(KeptSource source, TimeProvider time) =>
        [.. RetentionPlan.Ladder(source.Class.Retention).Select(rung => Fill(rung.Rung, rung.Count, source, time))];

    /// <summary>The ladder in a sentence.</summary>
    public static string Conclusion(KeptSource source, IReadOnlyList<LadderRung> rungs) => Figures.Format(
        RetentionTexts.LadderConclusion, source.Class.Name, Figures.List(rungs.Where(rung => rung.Cells.Count > 0).Select(rung => $"{rung.Name} {rung.Count}")));

    private static LadderRung Fill(Rung rung, int count, KeptSource source, TimeProvider time)
    {
        if (count == 0)
        {
            return new LadderRung(Name(rung), [], RetentionTexts.LadderNone, Figures.Format(RetentionTexts.LadderNoneWhy, source.Class.Name), false);
        }

        var newest = source.Points.Where(point => point.CreatedAt <= source.Now).GroupBy(point => RetentionPlan.PeriodOf(rung, point.CreatedAt)).ToDictionary(group => group.Key, group => group.First());
        var cells = new SlotCell[count];
        var start = RetentionPlan.PeriodOf(rung, source.Now);
        for (var place = count - 1; place >= 0; place--)
        {
            cells[place] = Cell(rung, start, newest.GetValueOrDefault(start), source, time) with { IsNow = place == count - 1 };
            start = Before(rung, start);
        }

        var isShort = cells.Any(cell => cell.IsBad);
        var filled = cells.Count(cell => cell.Status is Status.Proven or Status.Stale or Status.ReadBack or Status.Stored or Status.Behind);
        return new LadderRung(Name(rung), cells, Figures.Format(RetentionTexts.LadderCount, filled, count), Why(cells), isShort);
    }

    private static SlotCell Cell(Rung rung, DateTime start, KeptPoint? point, KeptSource source, TimeProvider time)
    {
        var (from, to) = (new DateTimeOffset(start), new DateTimeOffset(After(rung, start)));
        var when = When(rung, start);
        if (point is not null)
        {
            var (status, reason) = point.Known(source.Class.ProofLifetime, time);
            return new SlotCell(status, when, reason, point.Href);
        }

        if (source.Since is not { } since || to <= since)
        {
            return new SlotCell(Status.NotDue, when, source.Since is { } known ? Figures.Format(RetentionTexts.SlotYounger, Figures.Moment(known, time)) : RetentionTexts.CalendarYoung);
        }

        if (source.IsBeyondAllDays(to))
        {
            return new SlotCell(Status.NotKept, when, RetentionTexts.SlotNotKept);
        }

        return source.DueWithin(from, to) is { } due
            ? new SlotCell(Status.Missing, when, Figures.Format(RetentionTexts.SlotDue, Figures.Moment(due, time)))
            : new SlotCell(Status.NotDue, when, Figures.Format(RetentionTexts.SlotLater, Figures.Moment(source.DueAfter(from), time)));
    }

    /// <summary>First what is wrong, then what is not there, then what is proven.</summary>
    private static string Why(SlotCell[] cells)
    {
        var bad = cells.Where(cell => cell.IsBad).Reverse().ToList();
        var said = bad.Take(BadOnesNamed).Select(cell => Figures.Format(RetentionTexts.WhyBad, cell.When, cell.Word.ToLower(CultureInfo.CurrentCulture))).ToList();
        Add(bad.Count - BadOnesNamed, RetentionTexts.WhyMore);
        Add(Count(Status.Stored), RetentionTexts.WhyUnread);
        Add(Count(Status.NotDue), RetentionTexts.WhyNotDue);
        Add(Count(Status.NotKept), RetentionTexts.WhyNotKept);
        Add(Count(Status.Proven) + Count(Status.Stale), RetentionTexts.WhyRestored);
        return Figures.List(said);

        int Count(Status status) => cells.Count(cell => cell.Status == status);

        void Add(int count, string words)
        {
            if (count > 0)
            {
                said.Add(Figures.Format(words, count));
            }
        }
    }

    private static DateTime After(Rung rung, DateTime start) => rung switch
    {
        Rung.Hourly => start.AddHours(1),
        Rung.Daily => start.AddDays(1),
        Rung.Weekly => start.AddDays(7),
        Rung.Monthly => start.AddMonths(1),
        _ => start.AddYears(1),
    };

    private static DateTime Before(Rung rung, DateTime start) => RetentionPlan.PeriodOf(rung, new DateTimeOffset(start.AddTicks(-1)));

    private static string When(Rung rung, DateTime start) => rung switch
    {
        Rung.Hourly => Figures.Named(start, Texts.MomentThisYear),
        Rung.Daily => Figures.Named(start, Texts.DayPattern),
        Rung.Weekly => Figures.Format(RetentionTexts.WeekOf, Figures.Named(start, Texts.DatePattern)),
        Rung.Monthly => Figures.Named(start, Texts.MonthPattern),
        _ => Figures.Named(start, Texts.YearPattern),
    };

    private static string Name(Rung rung) => rung switch
    {
        Rung.Hourly => RetentionTexts.RungHourly,
        Rung.Daily => RetentionTexts.RungDaily,
        Rung.Weekly => RetentionTexts.RungWeekly,
        Rung.Monthly => RetentionTexts.RungMonthly,
        _ => RetentionTexts.RungYearly,
    };
}
