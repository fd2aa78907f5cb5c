using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>How a channel reaches people.</summary>
public enum ChannelKind
{
    /// <summary>Mail by SMTP.</summary>
    Email,

    /// <summary>A signed HTTP POST.</summary>
    Webhook,

    /// <summary>An incoming webhook as Slack, Mattermost and Rocket.Chat take it.</summary>
    Slack,
}

/// <summary>How a mail's connection is secured.</summary>
public enum MailSecurity
{
    /// <summary>Upgraded before anything is said; refused where the server cannot.</summary>
    StartTls,

    /// <summary>TLS from the first byte.</summary>
    Tls,

    /// <summary>Not at all.</summary>
    None,
}

/// <summary>A mail channel's settings.</summary>
/// <param name="CaFile">PEM file of the certificates that the server's must lead to; null for the system's.</param>
/// <param name="PasswordFile">File whose first line is the password; null where nobody signs in.</param>
public sealed record EmailSettings(
    string Host, int Port, MailSecurity Security, string? CaFile, string? Username, string? PasswordFile, string From, IReadOnlyList<string> To);

/// <summary>A webhook's settings; of a Slack-compatible one too, which has no secret of its own: there the address is it.</summary>
/// <param name="Url">Its address; null where <paramref name="UrlFile"/> holds it.</param>
/// <param name="UrlFile">File whose first line is the address.</param>
/// <param name="SecretFile">File whose first line signs each message; null for Slack.</param>
/// <param name="CaFile">PEM file of the certificates that the server's must lead to; null for the system's.</param>
public sealed record WebhookSettings(Uri? Url, string? UrlFile, string? SecretFile, string? CaFile);

/// <summary>A way to people.</summary>
/// <param name="Name">Unique.</param>
public sealed record NotificationChannel(string Name, ChannelKind Kind)
{
    /// <summary>What matters less does not go there.</summary>
    public NotificationSeverity Minimum { get; init; } = NotificationSeverity.Warning;

    /// <summary>Only what touches one of these sources; empty with no workspaces: everything.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>Only what touches a source of one of these workspaces.</summary>
    public IReadOnlyList<string> Workspaces { get; init; } = [];

    /// <summary><c>en</c> or <c>ja</c>.</summary>
    public string Language { get; init; } = NotificationSettings.English;

    /// <summary>Set for <see cref="ChannelKind.Email"/>.</summary>
    public EmailSettings? Email { get; init; }

    /// <summary>Set for the others.</summary>
    public WebhookSettings? Webhook { get; init; }

    /// <summary>True where it takes only what touches some sources or workspaces.</summary>
    public bool IsFiltered => Sources.Count + Workspaces.Count > 0;

    /// <summary>Where it leads, without a secret: <c>smtp.example:587 → sre@example</c>.</summary>
    public string Display => this switch
    {
        { Email: { } mail } => FormattableString.Invariant($"{mail.Host}:{mail.Port} → {string.Join(", ", mail.To)}"),
        { Webhook.Url: { } url } => url.GetLeftPart(UriPartial.Authority),
        { Webhook.UrlFile: { } file } => file,
        _ => "",
    };
}

/// <summary>Who hears of what, and how.</summary>
public sealed record NotificationSettings
{
    internal const string English = "en";

    public static NotificationSettings None { get; } = new();

    /// <summary>The console's address as people open it, without a slash at its end; null: messages carry no link.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>What cannot be delivered for so long is given up.</summary>
    public TimeSpan MaximumAge { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long one try may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long what was sent stays to be looked at.</summary>
    public int KeepDays { get; init; } = 90;

    public IReadOnlyList<NotificationChannel> Channels { get; init; } = [];

    /// <summary>Files that nothing but this console may read.</summary>
    public IEnumerable<string> SecretFiles =>
        Channels.SelectMany(channel => (string?[])[channel.Email?.PasswordFile, channel.Webhook?.UrlFile, channel.Webhook?.SecretFile]).OfType<string>();
}
