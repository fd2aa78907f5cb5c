using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>What was sent where, and what became of it.</summary>
public partial class DeliveryTable
{
    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<Delivery> Deliveries { get; set; } = [];

    /// <summary>The channels that are configured now: to others nothing can be sent again.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<NotificationChannel> Channels { get; set; } = [];

    /// <summary>Somebody wants one that was given up to be sent again.</summary>
    [Parameter, EditorRequired]
    public EventCallback<Delivery> OnResend { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;
}
