using Hexabase.DrConsole.Engine.Notifications.Channels;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>Registers the room. A way to people that it does not know adds an <see cref="IMessenger"/>.</summary>
internal static class NotificationServices
{
    public static IServiceCollection AddNotifications(this IServiceCollection services)
    {
        services.AddSingleton<IMessenger, MailMessenger>();
        services.AddSingleton<IMessenger, WebhookMessenger>();
        services.AddSingleton<IMessenger, SlackMessenger>();
        services.AddSingleton<NotificationFeed>();
        services.AddSingleton<NotificationSender>();
        services.AddSingleton<NotificationStore>();
        services.AddSingleton<NotificationDesk>();
        return services;
    }
}
