using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Texts;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>What is sent.</summary>
/// <param name="Id">The same in every try.</param>
/// <param name="Attempt">Which try this is, from 1.</param>
/// <param name="Estate">The estate's name.</param>
public sealed record OutgoingMessage(Guid Id, int Attempt, string Estate, Notification Notification, NotificationText Text);

/// <summary>What became of a try. A failure is a value: it is what the page shows.</summary>
/// <param name="IsDelivered">The receiver took it.</param>
/// <param name="Reason">Why it failed; or what of a delivered one its receiver did not take. Holds no secret.</param>
public sealed record SendResult(bool IsDelivered, string? Reason)
{
    /// <summary>True where trying again cannot help.</summary>
    public bool IsFinal { get; init; }

    /// <summary>When the receiver wants to be asked again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static SendResult Delivered { get; } = new(true, null);

    public static SendResult Failed(string reason) => new(false, reason);
}

/// <summary>
/// Sends to channels of one kind. Called again with the same <see cref="OutgoingMessage.Id"/> after a failure, and after a crash
/// between sending and writing that down: it puts the id where the receiver can tell a repeat by it. Cancellation is passed on,
/// everything else that goes wrong is a <see cref="SendResult"/>.
/// </summary>
public interface IMessenger
{
    ChannelKind Kind { get; }

    Task<SendResult> SendAsync(NotificationChannel channel, OutgoingMessage message, CancellationToken cancellationToken);
}
