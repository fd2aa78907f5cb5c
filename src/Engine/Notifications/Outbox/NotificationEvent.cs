using System.Text.Json;

namespace Hexabase.DrConsole.Engine.Notifications.Outbox;

/// <summary>What people hear of.</summary>
public enum NotificationEvent
{
    IncidentSuspected,

    /// <summary>The emergency alert.</summary>
    IncidentConfirmed,
    IncidentChanged,
    IncidentAcknowledged,
    IncidentResolved,
    PlanProposed,

    /// <summary>No plan can be made for a source of a confirmed incident.</summary>
    PlanImpossible,
    GateOpened,

    /// <summary>Half of the time to approve is over and nobody has.</summary>
    GateEscalated,
    GateApproved,
    GateDeclined,

    /// <summary>The time to approve, or to begin after the approval, is over.</summary>
    GateExpired,

    /// <summary>What was approved is no longer what would run.</summary>
    GateVoid,

    /// <summary>One person went through alone; a review must follow.</summary>
    GateBrokenGlass,

    /// <summary>A day later nobody has written it.</summary>
    GateReviewDue,
    RecoveryStarted,
    RecoveryStepFailed,

    /// <summary>It goes on only when a person says how.</summary>
    RecoveryNeedsDecision,

    /// <summary>The recovery status.</summary>
    RecoveryEnded,
    ValidationFailed,
    DrillFailed,
    RunFailed,
    WalGapFound,

    /// <summary>More of a source would be lost now than its class allows.</summary>
    RpoBreached,
    RpoKept,

    /// <summary>Commits of a source's server wait for the tiers, or for a receiver that is not there.</summary>
    CommitsWait,
    CommitsFlow,

    /// <summary>A workspace's keys are older than its classes allow.</summary>
    RotationDue,
    RotationDone,

    /// <summary>Nothing is heard of the worker of a node: nobody makes the backups of its sources.</summary>
    AgentSilent,
    AgentBack,

    /// <summary>The health monitor has not looked for too long: nothing is known now.</summary>
    WatcherSilent,
    WatcherBack,

    /// <summary>Somebody tries a channel.</summary>
    Test,
}

/// <summary>How much it matters; in this order.</summary>
public enum NotificationSeverity
{
    Info,
    Warning,
    Critical,
}

/// <summary>The names as the catalog, the webhook's body and the API write them.</summary>
public static class NotificationNames
{
    /// <summary><c>incident-confirmed</c>, <c>critical</c>.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    /// <summary>The value of that name; the first one where there is none (written by a newer version).</summary>
    public static T Parse<T>(string text)
        where T : struct, Enum => Enum.GetValues<T>().FirstOrDefault(value => Of(value) == text);
}
