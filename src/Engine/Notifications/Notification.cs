using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>What people must hear of, as the catalog holds it.</summary>
/// <param name="Subject">What it is about: <c>I-12</c>, <c>R-5</c>.</param>
/// <param name="Thread">What belongs together.</param>
/// <param name="Closes">True where it says how something ended.</param>
/// <param name="Page">The page's path.</param>
public sealed record Notification(
    long Id, DateTimeOffset At, NotificationEvent Event, NotificationSeverity Severity, string Subject, string Thread, bool Closes, string Page,
    IReadOnlyList<string> Sources, NotificationFacts Facts, string? OnlyChannel);

/// <summary>Where a delivery stands.</summary>
public enum DeliveryState
{
    /// <summary>It is due, now or after the pause that a failed try is given.</summary>
    Waiting,

    /// <summary>A try was begun.</summary>
    Sending,
    Delivered,

    /// <summary>Given up: its receiver refused it for good, or its time is over.</summary>
    Failed,
}

/// <summary>A notification's way to one channel.</summary>
/// <param name="MessageId">The same in every try.</param>
/// <param name="Attempt">How many tries were begun.</param>
/// <param name="NextAt">When the next may begin.</param>
/// <param name="Error">Why the last try failed; of a delivered one, what its receiver did not take.</param>
public sealed record Delivery(
    long Id, Notification Notification, string Channel, Guid MessageId, DeliveryState State, int Attempt, DateTimeOffset NextAt, DateTimeOffset GiveUpAt,
    DateTimeOffset? TriedAt, DateTimeOffset? EndedAt, string? Error, string? ResentBy)
{
    /// <summary>True until it is delivered or given up.</summary>
    public bool IsOpen => State is DeliveryState.Waiting or DeliveryState.Sending;
}

/// <summary>How a channel stands.</summary>
/// <param name="LastSuccess">When something last arrived; null where nothing ever did.</param>
/// <param name="LastFailure">When a try last failed.</param>
/// <param name="LastError">Why.</param>
/// <param name="Queue">How many deliveries wait.</param>
/// <param name="OldestWaiting">When the oldest of them was written.</param>
/// <param name="Failed">How many were given up in the last seven days.</param>
public sealed record ChannelStanding(
    string Channel, DateTimeOffset? LastSuccess, DateTimeOffset? LastFailure, string? LastError, int Queue, DateTimeOffset? OldestWaiting, int Failed);

/// <summary>Which deliveries to list; what is null does not filter.</summary>
public sealed record DeliveryFilter(DeliveryState? State = null, string? Channel = null);
