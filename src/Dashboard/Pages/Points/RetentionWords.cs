using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>Says in words why retention keeps a restore point.</summary>
internal static class RetentionWords
{
    /// <summary><c>hourly 3 of 24, last proven</c>; or that nothing keeps it.</summary>
    public static string Of(IReadOnlyList<KeepReason> reasons) => reasons.Count == 0 ? PageTexts.KeptNot : Figures.List(reasons.Select(Of));

    /// <summary>One reason.</summary>
    public static string Of(KeepReason reason) => reason.Cause switch
    {
        KeepCause.Rung => Figures.Format(PageTexts.KeptRung, Of(reason.Rung!.Value), reason.Position, reason.Of),
        KeepCause.Recent => Figures.Format(PageTexts.KeptRecent, reason.Of),
        KeepCause.LastProven => PageTexts.KeptLastProven,
        KeepCause.Newest => PageTexts.KeptNewest,
        KeepCause.Hold => PageTexts.KeptHold,
        KeepCause.Frozen => HealthTexts.KeptFrozen,
        KeepCause.WindowBase => PageTexts.KeptWindow,
        KeepCause.LeadsToTimeline => RetentionTexts.KeptLeadsToTimeline,
        KeepCause.LinesUnknown => Figures.Format(RetentionTexts.KeptLinesUnknown, reason.Detail!),
        KeepCause.InUse => reason.Detail is { } runs ? Figures.Format(PageTexts.KeptInUseBy, runs) : PageTexts.KeptInUse,
        KeepCause.AwaitingCopy => Figures.Format(PageTexts.KeptAwaitingCopy, reason.Detail!),
        KeepCause.AwaitingRepair => Figures.Format(PageTexts.KeptAwaitingRepair, reason.Detail!),
        _ => PageTexts.KeptFuture,
    };

    /// <summary>That a copy is given up, when, and why.</summary>
    public static string Of(ExpiryReason reason) => Figures.Format(KeepingTexts.ExpiryDays, Short(reason));

    /// <summary>Why a copy is given up.</summary>
    public static string Short(ExpiryReason reason) => reason.Days is { } days ? Figures.Format(KeepingTexts.ExpiryDaysShort, days) : KeepingTexts.ExpiryNoRungShort;

    /// <summary>Why WAL stays beyond its time.</summary>
    public static string Of(KeptWal kept) => kept.Cause switch
    {
        KeptWalCause.UnreadablePoints => Figures.Format(TierTexts.KeptWalUnreadable, kept.Count),
        KeptWalCause.NoUsableBase => Figures.Format(TierTexts.KeptWalNoBase, kept.Source!),
        KeptWalCause.ForRun => Figures.Format(TierTexts.KeptWalForRun, kept.Source!, kept.FromLsn!, kept.Detail!),
        _ => Figures.Format(TierTexts.KeptWalRefused, kept.Detail!),
    };

    /// <summary>A ladder: <c>24 hourly, 30 daily, all of 2 h</c>; rungs without slots are left out.</summary>
    public static string Of(RetentionPolicy policy)
    {
        var rungs = RetentionPlan.Ladder(policy).Where(rung => rung.Count > 0).Select(rung => Figures.Format(PageTexts.CountOf, rung.Count, Of(rung.Rung)));
        return Figures.List(policy.KeepAllHours > 0 ? rungs.Append(Figures.Format(KeepingTexts.PolicyKeepAll, policy.KeepAllHours)) : rungs);
    }

    /// <summary>A rung's name.</summary>
    public static string Of(Rung rung) => rung switch
    {
        Rung.Hourly => PageTexts.RungHourly,
        Rung.Daily => PageTexts.RungDaily,
        Rung.Weekly => PageTexts.RungWeekly,
        Rung.Monthly => PageTexts.RungMonthly,
        _ => PageTexts.RungYearly,
    };
}
