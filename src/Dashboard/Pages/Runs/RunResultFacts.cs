using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Sources;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Drills;
using Hexabase.DrConsole.Engine.Validation.Rescue;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>What a run ended with, as names and values.</summary>
internal static class RunResultFacts
{
    public static IEnumerable<NamedFact> Of(Run run) => (run.Kind, run.ResultJson) switch
    {
        (_, null) => [],
        (RunKinds.Backup, { } json) => Backup(JsonSerializer.Deserialize<BackupRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.RecoverySet, { } json) => Set(JsonSerializer.Deserialize<SetRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.Restore, { } json) => Restore(JsonSerializer.Deserialize<RestoreRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.PointInTimeDrill, { } json) => Drill(JsonSerializer.Deserialize<PointInTimeDrillResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.TableRescue, { } json) => Rescue(JsonSerializer.Deserialize<TableRescueResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.Validation, { } json) => Validation(ValidationResult.Parse(JsonElement.Parse(json))),
        (RunKinds.Retention, { } json) => Retention(JsonSerializer.Deserialize<RetentionRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.Verification, { } json) => Verification(JsonSerializer.Deserialize<VerificationRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.Replication, { } json) => Replication(JsonSerializer.Deserialize<ReplicationRunResult>(json, JsonSerializerOptions.Web)!),
        (RunKinds.Repair, { } json) => Repair(JsonSerializer.Deserialize<RepairRunResult>(json, JsonSerializerOptions.Web)!),
        _ => [],
    };

    private static IEnumerable<NamedFact> Backup(BackupRunResult result)
    {
        yield return new NamedFact(PageTexts.FactType, result.Backup.Type);
        yield return new NamedFact(PageTexts.FactDatabase, result.Backup.Database);
        foreach (var content in result.Backup.Contents)
        {
            yield return new NamedFact(NameOf(content), Figures.Count(content.Count));
        }

        yield return new NamedFact(PageTexts.ColumnSize, Figures.Bytes(result.Backup.OriginalBytes));
        yield return new NamedFact(PageTexts.ColumnNew, Figures.Bytes(result.Backup.StoredBytes));
        yield return new NamedFact(PageTexts.FactEncryption, result.Backup.Encryption);
        yield return new NamedFact(PageTexts.FactTiersHeld, Figures.Format(PageTexts.TiersHeld, result.Tiers.Count, result.WantedTiers, Figures.List(result.Tiers.Keys)));
        yield return new NamedFact(PageTexts.FactRpoAchieved, result.Backup.RpoAchieved is { } rpo ? Figures.Duration(rpo) : PageTexts.FirstPoint);
        yield return new NamedFact(PageTexts.FactRtoExpected, result.Backup.RtoExpected is { } rto ? Figures.Duration(rto) : PageTexts.NotMeasured);
    }

    private static IEnumerable<NamedFact> Set(SetRunResult result)
    {
        yield return new NamedFact(SetTexts.FactComplete, result.IsComplete
            ? SetTexts.Yes
            : Figures.Format(SetTexts.NoMissing, Figures.List(result.Parts.Where(part => part.RestorePoint is null).Select(part => part.Source))));
        yield return new NamedFact(SetTexts.FactSkew, result.SkewSeconds is { } skew ? Figures.Duration(TimeSpan.FromSeconds(skew)) : PageTexts.NotMeasured);
        if (result.HeldSeconds is { } held)
        {
            yield return new NamedFact(SetTexts.FactHeld, Figures.Duration(TimeSpan.FromSeconds(held)));
        }
    }

    private static string NameOf(ContentCount content) => content.Name switch
    {
        "tables" => PageTexts.FactTables,
        "rows" => PageTexts.FactRows,
        "databases" => PageTexts.FactDatabases,
        "keys" => PageTexts.FactKeys,
        "expiring keys" => PageTexts.FactExpiringKeys,
        "files" => VolumeTexts.FactFiles,
        "directories" => VolumeTexts.FactFolders,
        "links" => VolumeTexts.FactLinks,
        "changedFiles" => VolumeTexts.FactChanged,
        "unreadable" => VolumeTexts.FactUnreadable,
        _ => content.Name,
    };

    private static IEnumerable<NamedFact> Retention(RetentionRunResult result)
    {
        yield return new NamedFact(PageTexts.FactTier, result.Tier);
        foreach (var one in result.Workspaces)
        {
            yield return new NamedFact(one.Workspace, Figures.Format(PageTexts.RetentionDid, one.Expired.Count, one.Protected.Count, one.Kept));
            yield return new NamedFact(PageTexts.FactMarked, Figures.Bytes(one.MarkedBytes));
            yield return new NamedFact(PageTexts.FactFreed, Figures.Bytes(one.FreedBytes));
            if (one.Refused.Count > 0)
            {
                yield return new NamedFact(PageTexts.FactRefused, Figures.Count(one.Refused.Count));
            }

            foreach (var kept in one.KeptWal)
            {
                yield return new NamedFact(TierTexts.FactKeptWal, RetentionWords.Of(kept));
            }
        }

        yield return new NamedFact(PageTexts.ColumnTook, Figures.Duration(TimeSpan.FromSeconds(result.Seconds)));
    }

    private static IEnumerable<NamedFact> Replication(ReplicationRunResult result)
    {
        yield return new NamedFact(PageTexts.FactTier, result.Tier);
        foreach (var one in result.Workspaces)
        {
            yield return new NamedFact(one.Workspace, Figures.Format(PageTexts.ReplicationDid, one.Copied, one.Owed));
        }
    }

    private static IEnumerable<NamedFact> Verification(VerificationRunResult result)
    {
        yield return new NamedFact(PageTexts.FactTier, result.Tier);
        yield return new NamedFact(PageTexts.FactLevel, result.Level.ToString());
        foreach (var one in result.Workspaces)
        {
            yield return new NamedFact(one.Workspace, Figures.Format(PageTexts.VerificationDid, one.PacksRead, one.Packs, Figures.Bytes(one.BytesRead), one.Damaged.Count));
        }
    }

    private static IEnumerable<NamedFact> Repair(RepairRunResult result)
    {
        yield return new NamedFact(PageTexts.FactTier, result.Tier);
        foreach (var one in result.Workspaces)
        {
            yield return new NamedFact(
                one.Workspace, Figures.Format(PageTexts.RepairDid, one.Objects.Count(part => part.IsRepaired), one.Objects.Count, one.Fetched, one.From ?? PageTexts.NoneWord));
            yield return new NamedFact(PageTexts.FactPointsWhole, Figures.Count(one.PointsWhole.Count));
        }
    }

    private static IEnumerable<NamedFact> Restore(RestoreRunResult result)
    {
        yield return new NamedFact(PageTexts.FactTarget, result.Target);
        yield return new NamedFact(PageTexts.FactReadFrom, result.Tier);
        if (result.NotRestored > 0)
        {
            yield return new NamedFact(PageTexts.FactNotRestored, Figures.Count(result.NotRestored));
        }

        if (result.Warnings.Count > 0)
        {
            yield return new NamedFact(PageTexts.FactWarnings, Figures.Count(result.Warnings.Count));
        }

        yield return new NamedFact(PageTexts.ColumnSize, Figures.Bytes(result.Bytes));
        yield return new NamedFact(PageTexts.ColumnTook, result.Seconds is { } seconds ? Figures.Duration(TimeSpan.FromSeconds(seconds)) : PageTexts.NotMeasured);
        if (result.Phases is { } phases)
        {
            yield return new NamedFact(PageTexts.FactPhases, Figures.List(phases.Select(phase => $"{phase.Name} {Figures.Duration(TimeSpan.FromSeconds(phase.Seconds))}")));
        }

        if (result.LastTransaction is { } last)
        {
            yield return new NamedFact(PageTexts.FactLastCommit, last);
        }
    }

    private static IEnumerable<NamedFact> Drill(PointInTimeDrillResult result)
    {
        yield return new NamedFact(WindowTexts.ReachMoment, Utc(result.Moment));
        yield return new NamedFact(PageTexts.FactVerdict, DrillsPanel.Word(result.Outcome));
        yield return new NamedFact(WindowTexts.FactFound, result.Reason);
        yield return new NamedFact(PageTexts.FactReadFrom, result.Tier);
        yield return new NamedFact(PageTexts.FigureRestore, result.Seconds is { } seconds ? Figures.Duration(TimeSpan.FromSeconds(seconds)) : PageTexts.NotMeasured);
        yield return new NamedFact(PageTexts.FactPhases, Figures.List(result.Phases.Select(phase => $"{phase.Name} {Figures.Duration(TimeSpan.FromSeconds(phase.Seconds))}")));
        if (result.HeartbeatAt is { } beat)
        {
            yield return new NamedFact(WindowTexts.FactHeartbeat, Utc(beat));
        }

        if (result.LastCommitAt is { } last)
        {
            yield return new NamedFact(PageTexts.FactLastCommit, Utc(last));
        }
    }

    private static IEnumerable<NamedFact> Rescue(TableRescueResult result)
    {
        yield return new NamedFact(WindowTexts.FactSideTable, result.SideTable ?? PageTexts.NoneWord);
        yield return new NamedFact(PageTexts.FactRows, Figures.Count(result.Rows));
    }

    /// <summary>To the millisecond and on the source's clock, which knows no zone.</summary>
    private static string Utc(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff 'UTC'", System.Globalization.CultureInfo.InvariantCulture);

    private static IEnumerable<NamedFact> Validation(ValidationResult result)
    {
        yield return new NamedFact(PageTexts.FactVerdict, result.OverallPassed ? PageTexts.VerdictPassed : Figures.Format(PageTexts.VerdictFailedAt, result.Failed?.Name ?? PageTexts.VerdictNotProvable));
        yield return new NamedFact(PageTexts.FigureRestore, result.MeasuredRestoreSeconds is { } seconds ? Figures.Duration(TimeSpan.FromSeconds(seconds)) : PageTexts.NotMeasured);
        if (result.Isolation is { } isolation)
        {
            yield return new NamedFact(PageTexts.FactIsolation, isolation);
        }
    }
}
