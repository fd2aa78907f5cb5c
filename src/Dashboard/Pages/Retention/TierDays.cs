using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>Fills the calendars of the tiers that serve a source. Days are UTC's, as retention counts.</summary>
internal static class TierDays
{
    private const int Weeks = 21;

    public static IReadOnlyList<TierCalendarModel> Of(KeptSource source, TimeProvider time) =>
        [.. source.Tiers.Select((tier, index) => Calendar(tier, index, source, time))];

    private static TierCalendarModel Calendar(StorageTier tier, int index, KeptSource source, TimeProvider time)
    {
        var today = DateOnly.FromDateTime(source.Now.UtcDateTime);
        var monday = today.AddDays(-(((int)today.DayOfWeek + 6) % 7) - (7 * (Weeks - 1)));
        var byDay = source.Points.ToLookup(point => DateOnly.FromDateTime(point.CreatedAt.UtcDateTime));
        var dailyFrom = today.AddDays(1 - source.Class.Retention.Daily);
        var weeks = Enumerable.Range(0, Weeks).Select(week => (IReadOnlyList<SlotCell?>)
            [.. Enumerable.Range(0, 7).Select(day => monday.AddDays((7 * week) + day)).Select(day => day > today ? null : Day(day, day == today, day >= dailyFrom, tier.Name, byDay[day], source, time))]).ToList();
        var cells = weeks.SelectMany(week => week).OfType<SlotCell>().ToList();
        int Count(Status status) => cells.Count(cell => cell.Status == status);
        var held = cells.Count(cell => cell.Href is not null);
        var reach = source.Class.TierDays.TryGetValue(tier.Name, out var days) ? Figures.Format(RetentionTexts.CalendarReach, days) : RetentionTexts.CalendarReachNone;
        return new TierCalendarModel(
            tier.Name, TierCards.Icon(index), reach, weeks, Months(monday),
            Figures.Format(RetentionTexts.CalendarConclusion, tier.Name, source.Name, held, Count(Status.Damaged), Count(Status.Missing), Count(Status.Behind)),
            Line(tier.Name, monday, source, time));
    }

    /// <summary>One day: what is wrong first, then the best that is known.</summary>
    private static SlotCell Day(DateOnly day, bool isToday, bool isDaily, string tier, IEnumerable<KeptPoint> made, KeptSource source, TimeProvider time)
    {
        var when = Figures.Named(day.ToDateTime(TimeOnly.MinValue), Texts.DayPattern);
        var (from, to) = (new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero), new DateTimeOffset(day.AddDays(1), TimeOnly.MinValue, TimeSpan.Zero));
        var points = made.ToList();
        var copies = points.Select(point => (Point: point, Copy: point.Copies.FirstOrDefault(copy => copy.Tier == tier))).Where(pair => pair.Copy is not null).ToList();
        if (copies.Count > 0)
        {
            var (status, worst) = copies.Select(pair => (Status: StatusOf(pair.Point, pair.Copy!, source), pair)).OrderBy(known => Order(known.Status)).Select(known => (known.Status, known.pair)).First();
            return new SlotCell(status, when, Reason(copies.Count, status, worst.Point, worst.Copy!, time), worst.Point.Href) { IsNow = isToday };
        }

        return Empty() with { IsNow = isToday };

        SlotCell Empty()
        {
            if (source.Class.TierDays.TryGetValue(tier, out var days) && source.Now - to > TimeSpan.FromDays(days))
            {
                return new SlotCell(Status.NotKept, when, Figures.Format(RetentionTexts.DayCeiling, days));
            }

            if (source.Since is not { } since || to <= since)
            {
                return new SlotCell(Status.NotDue, when, RetentionTexts.CalendarYoung);
            }

            // Another tier has that day's point, the ladder keeps it, and this tier should have it too.
            if (points.FirstOrDefault(point => source.KeptIds.Contains(point.Id) && IsWithin(point, tier, source)) is { } elsewhere)
            {
                return new SlotCell(Status.Missing, when, Figures.Format(RetentionTexts.CalendarMissingCopy, SourceRows.Short(elsewhere.Id), Figures.List(elsewhere.Copies.Select(copy => copy.Tier))), elsewhere.Href);
            }

            if (isToday && source.DueWithin(from, to) is null)
            {
                return new SlotCell(Status.NotDue, when, Figures.Format(RetentionTexts.CalendarEmptyToday, Figures.Moment(source.DueAfter(from), time)));
            }

            return isDaily && points.Count == 0 && source.DueWithin(from, to) is { } due
                ? new SlotCell(Status.Missing, when, Figures.Format(RetentionTexts.SlotDue, Figures.Moment(due, time)))
                : new SlotCell(Status.NotKept, when, RetentionTexts.DayNotKept);
        }
    }

    private static bool IsWithin(KeptPoint point, string tier, KeptSource source) =>
        !source.Class.TierDays.TryGetValue(tier, out var days) || source.Now - point.CreatedAt <= TimeSpan.FromDays(days);

    /// <summary>A restore proves the tier that it read from, and no other.</summary>
    private static Status StatusOf(KeptPoint point, RestorePointTierRow copy, KeptSource source) => copy.State switch
    {
        "damaged" => Status.Damaged,
        "behind" => Status.Behind,
        _ when point.Last is { } last && last.Tier == copy.Tier && point.HasFailed => Status.Damaged,
        _ when point.Last is { Passed: true } last && last.Tier == copy.Tier => PointProof.OfProof(last.ValidatedAt, source.Class.ProofLifetime, source.Now),
        "verified" => Status.ReadBack,
        _ => Status.Stored,
    };

    private static int Order(Status status) => status switch
    {
        Status.Damaged => 0,
        Status.Behind => 1,
        Status.Proven => 2,
        Status.Stale => 3,
        Status.ReadBack => 4,
        _ => 5,
    };

    private static string Reason(int count, Status status, KeptPoint point, RestorePointTierRow copy, TimeProvider time)
    {
        var one = status switch
        {
            Status.Damaged when point.HasFailed => Figures.Format(RetentionTexts.SlotFailed, Figures.Moment(point.Last!.ValidatedAt, time)),
            Status.Damaged => copy.Detail ?? PageTexts.TierDamaged,
            Status.Behind => copy.Detail ?? PageTexts.TierBehind,
            Status.Proven or Status.Stale => Figures.Format(RetentionTexts.SlotRestored, copy.Tier, Figures.Moment(point.Last!.ValidatedAt, time)),
            Status.ReadBack => Figures.Format(PageTexts.ReadBackAt, Figures.Moment(copy.VerifiedAt ?? copy.StoredAt, time)),
            _ => Figures.Format(PageTexts.StoredAt, Figures.Moment(copy.StoredAt, time)),
        };
        return Figures.Format(RetentionTexts.CalendarHeldAll, count, $"{SourceRows.Short(point.Id)} {one}");
    }

    private static string Line(string tier, DateOnly monday, KeptSource source, TimeProvider time)
    {
        var copies = source.Points.Select(point => (Point: point, Copy: point.Copies.FirstOrDefault(copy => copy.Tier == tier))).Where(pair => pair.Copy is not null).ToList();
        var states = copies.Select(pair => StatusOf(pair.Point, pair.Copy!, source)).ToList();
        var older = copies.Where(pair => DateOnly.FromDateTime(pair.Point.CreatedAt.UtcDateTime) < monday).ToList();
        List<string> parts = [Figures.Format(RetentionTexts.CalendarLine, states.Count(status => status != Status.Behind), states.Count(status => status is Status.Proven or Status.Stale))];
        Add(states.Count(status => status == Status.Damaged), RetentionTexts.CalendarLineDamaged);
        Add(states.Count(status => status == Status.Behind), RetentionTexts.CalendarLineBehind);
        Add(states.Count(status => status == Status.Stored), RetentionTexts.CalendarLineUnread);
        if (older.Count > 0)
        {
            parts.Add(Figures.Format(RetentionTexts.CalendarLineOlder, older.Count, Figures.Moment(older[^1].Point.CreatedAt, time)));
        }

        return string.Join(Texts.SentenceSeparator, parts);

        void Add(int count, string words)
        {
            if (count > 0)
            {
                parts.Add(Figures.Format(words, count));
            }
        }
    }

    private static IReadOnlyList<(int Column, string Name)> Months(DateOnly monday) =>
        [.. Enumerable.Range(0, Weeks).Where(week => monday.AddDays((7 * week) + 6).Day <= 7 && week < Weeks - 1)
            .Select(week => (week, monday.AddDays((7 * week) + 6).ToString("MMM", CultureInfo.CurrentCulture)))];
}
