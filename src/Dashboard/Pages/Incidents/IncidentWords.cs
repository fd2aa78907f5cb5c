using System.Diagnostics;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>Says in words what an incident is and what its evidence holds.</summary>
internal static class IncidentWords
{
    public const string List = "/incidents";
    public const string Maintenance = "/incidents/maintenance";
    public const string Replay = "/incidents/replay";

    public static string Href(IncidentId id) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{List}/{id.Value}");

    public static string Of(DisasterKind kind) => kind switch
    {
        DisasterKind.DatabaseCorruption => HealthTexts.KindCorruption,
        DisasterKind.DatabaseOutage => HealthTexts.KindOutage,
        DisasterKind.MassiveVClusterFailure => HealthTexts.KindMassive,
        DisasterKind.PartialVClusterFailure => HealthTexts.KindPartial,
        DisasterKind.StorageFailure => HealthTexts.KindStorage,
        DisasterKind.NetworkPartition => HealthTexts.KindPartition,
        _ => HealthTexts.KindUnknown,
    };

    /// <summary><c>Database outage: orders</c>.</summary>
    public static string Title(Incident incident) => Figures.Format(HealthTexts.TitleOf, Of(incident.Kind), Touches(incident));

    public static string Touches(Incident incident) => Touches(incident.Sources, incident.Tiers);

    public static string Touches(IReadOnlyList<string> sources, IReadOnlyList<string> tiers) => sources.Count + tiers.Count == 0
        ? HealthTexts.TouchesNothing
        : Figures.List([.. sources, .. tiers.Select(tier => Figures.Format(HealthTexts.TiersTouched, tier))]);

    public static Status Of(IncidentState state) => state switch
    {
        IncidentState.Suspected => Status.Suspected,
        IncidentState.Confirmed => Status.Confirmed,
        _ => Status.Resolved,
    };

    /// <summary>How it ended.</summary>
    public static string Ended(string? resolution) => resolution switch
    {
        "healthy" => HealthTexts.StateHealthy,
        "superseded" => HealthTexts.StateSuperseded,
        _ => HealthTexts.StateClosed,
    };

    public static TimeSpan Lasted(Incident incident, TimeProvider time) => (incident.ResolvedAt ?? time.GetUtcNow()) - incident.FirstEvidenceAt;

    /// <summary>What a probe said: of a service that it answers, of anything else that it is well.</summary>
    public static Status Of(ProbeAnswer answer, ProbeKind kind) => answer switch
    {
        ProbeAnswer.Answered => kind is ProbeKind.Reach or ProbeKind.Protocol or ProbeKind.Query ? Status.Answers : Status.Passed,
        ProbeAnswer.NoAnswer => Status.NoAnswer,
        ProbeAnswer.Refused => Status.Refused,
        ProbeAnswer.Denied => Status.Denied,
        ProbeAnswer.Corrupt => Status.Damaged,
        ProbeAnswer.Exceeded => Status.Exceeded,
        _ => Status.NotDetectable,
    };

    /// <summary>A probe by its name; another driver's, which has no words here, as it calls itself.</summary>
    public static string Probe(string name) => name switch
    {
        "tcp" => HealthTexts.ProbeTcp,
        "handshake" => HealthTexts.ProbeHandshake,
        "read" => HealthTexts.ProbeRead,
        "checksums" => HealthTexts.ProbeChecksums,
        "amcheck" => HealthTexts.ProbeAmcheck,
        "disk" => HealthTexts.ProbeDisk,
        "folder" => HealthTexts.ProbeFolder,
        "store" => HealthTexts.ProbeStore,
        "restore-point" => HealthTexts.ProbeFreshness,
        "wal-lag" => HealthTexts.ProbeWalLag,
        "wal-holes" => HealthTexts.ProbeWalHoles,
        "disk-wal" => HealthTexts.ProbeDiskWal,
        "backup-errors" => HealthTexts.ProbeBackupErrors,
        "info" => HealthTexts.ProbeInfo,
        "replication" => HealthTexts.ProbeReplication,
        "memory" => HealthTexts.ProbeMemory,
        "readyz" => HealthTexts.ProbeReadyz,
        "namespaces" => HealthTexts.ProbeNamespaces,
        "host" => HealthTexts.ProbeHost,
        "path" => HealthTexts.ProbePath,
        "inodes" => HealthTexts.ProbeInodes,
        "claim" => HealthTexts.ProbeClaim,
        "snapshots" => HealthTexts.ProbeSnapshots,
        _ => name,
    };

    public static string Of(EvidenceRemark remark)
    {
        var format = remark.Remark switch
        {
            Remark.PortOpensServerSilent => HealthTexts.SplitPortOpens,
            Remark.HostAnswersPortClosed => HealthTexts.SplitPortClosed,
            Remark.AnswersButCorrupt => HealthTexts.SplitCorrupt,
            Remark.CorruptByOneOnly => HealthTexts.SplitCorruptByOne,
            Remark.NeighboursAnswer => HealthTexts.SplitNeighbours,
            Remark.AnswersButDenies => HealthTexts.SplitDenies,
            Remark.AllAgree => remark.Subject is null ? HealthTexts.SplitNoneAll : HealthTexts.SplitNone,
            Remark.ConsoleCutOff => HealthTexts.ElseCutOff,
            Remark.AllStopped => HealthTexts.ElseAllStopped,
            Remark.ServerStopped => HealthTexts.ElseStopped,
            Remark.FrozenOrOverloaded => HealthTexts.ElseFrozen,
            Remark.WayBetween => HealthTexts.ElseWay,
            Remark.Starting => HealthTexts.ElseStarting,
            Remark.CredentialsChanged => HealthTexts.ElseCredentials,
            Remark.TooManyConnections => HealthTexts.ElseTooManyConnections,
            Remark.DiskFull => HealthTexts.ElseDiskFull,
            Remark.FailingDisk => HealthTexts.ElseFailingDisk,
            Remark.FailingMemory => HealthTexts.ElseMemory,
            Remark.StaleFile => HealthTexts.ElseStaleFile,
            Remark.UnannouncedMaintenance => HealthTexts.ElseMaintenance,
            _ => throw new UnreachableException(remark.Remark.ToString()),
        };
        var detail = remark.Remark == Remark.CorruptByOneOnly ? Kind(remark.Detail) : remark.Detail;
        return Figures.Format(format, remark.Subject ?? string.Empty, detail ?? string.Empty);
    }

    private static string Kind(string? name) => name switch
    {
        nameof(ProbeKind.Integrity) => HealthTexts.KindOfIntegrity,
        nameof(ProbeKind.Backup) => HealthTexts.KindOfBackup,
        _ => HealthTexts.KindOfQuery,
    };

    public static string Event(string what) => what switch
    {
        "suspected" => HealthTexts.EventSuspected,
        "confirmed" => HealthTexts.EventConfirmed,
        "changed" => HealthTexts.EventChanged,
        "healthy" => HealthTexts.EventHealthy,
        "superseded" => HealthTexts.EventSuperseded,
        "acknowledged" => HealthTexts.EventAcknowledged,
        _ => HealthTexts.EventClosed,
    };

    public static string Actor(string actor) => actor == "engine" ? HealthTexts.Watcher : actor;
}
