using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>The channels: where each leads, what it takes, whether it works, and a button that finds out.</summary>
public partial class ChannelPanel
{
    [Parameter, EditorRequired]
    public IReadOnlyList<NotificationChannel> Channels { get; set; } = [];

    /// <summary>By channel; one to which nothing ever went is not among them.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyDictionary<string, ChannelStanding> Standings { get; set; } = new Dictionary<string, ChannelStanding>();

    /// <summary>The tests that the reader sent, by channel.</summary>
    [Parameter]
    public IReadOnlyDictionary<string, Delivery> Tests { get; set; } = new Dictionary<string, Delivery>();

    /// <summary>Somebody wants to try a channel.</summary>
    [Parameter, EditorRequired]
    public EventCallback<NotificationChannel> OnTest { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    /// <summary>While the first try of a test is made, a second one would tell nothing more.</summary>
    private bool IsUnderWay(NotificationChannel channel) => Tests.GetValueOrDefault(channel.Name) is { IsOpen: true, Error: null };
}
