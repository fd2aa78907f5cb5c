using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>Names a notification.</summary>
public readonly record struct NotificationId(long Value);

/// <summary>Hears from the catalog which notifications were written, or went a step further.</summary>
public sealed class NotificationFeed(NpgsqlDataSource catalog, TimeProvider time, ILogger<NotificationFeed> log)
    : CatalogFeed<NotificationId>(catalog, NotificationOutbox.Channel, id => new NotificationId(id), time, log);
