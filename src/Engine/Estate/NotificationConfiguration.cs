using System.Net;
using System.Net.Mail;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads the configuration's <c>Notifications</c>.</summary>
internal static class NotificationConfiguration
{
    private static readonly string[] s_languages = ["en", "ja"];

    /// <summary>The settings; every mistake is reported to the reader.</summary>
    public static NotificationSettings Read(ConfigurationReader root, IReadOnlyList<Source> sources, List<string> warnings)
    {
        var section = root.Section("Notifications");
        section.AllowOnly("PublicUrl", "Language", "MaximumAge", "Timeout", "KeepDays", "Channels");
        var usual = NotificationSettings.None;
        var language = Language(section, NotificationSettings.English);
        var read = new NotificationSettings
        {
            PublicUrl = PublicUrl(section),
            MaximumAge = section.Duration("MaximumAge", usual.MaximumAge, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30)),
            Timeout = section.Duration("Timeout", usual.Timeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(2)),
            KeepDays = section.Number("KeepDays", usual.KeepDays, 1, 3650),
            Channels = [.. section.Items("Channels").Select(entry => ReadChannel(entry, sources, language, warnings))],
        };
        foreach (var repeat in read.Channels.Where(channel => channel.Name.Length > 0).GroupBy(channel => channel.Name).Where(group => group.Count() > 1))
        {
            section.Problem("Channels", $"the channel '{repeat.Key}' is given {repeat.Count()} times");
        }

        if (read.Channels.Count > 0 && read.PublicUrl is null)
        {
            warnings.Add("Notifications:PublicUrl is not set: messages say what happened, and carry no link to the page");
        }

        return read;
    }

    private static NotificationChannel ReadChannel(ConfigurationReader entry, IReadOnlyList<Source> sources, string language, List<string> warnings)
    {
        entry.AllowOnly("Name", "Kind", "Minimum", "Sources", "Workspaces", "Language", "Email", "Webhook", "Slack");
        var name = entry.RequiredText("Name");
        if (name.Length > 0 && !EstateConfiguration.NameShape().IsMatch(name))
        {
            entry.Problem("Name", $"'{name}' is not a name; use lower-case letters, digits, '.', '_' and '-'");
        }

        var channel = new NotificationChannel(name, entry.Choice<ChannelKind>("Kind", null) ?? ChannelKind.Webhook)
        {
            Minimum = entry.Choice<NotificationSeverity>("Minimum", NotificationSeverity.Warning) ?? NotificationSeverity.Warning,
            Sources = Known(entry, "Sources", "source", [.. sources.Select(source => source.Name)]),
            Workspaces = Known(entry, "Workspaces", "workspace", [.. sources.Select(source => source.Workspace).Distinct()]),
            Language = Language(entry, language),
        };
        if (!Enum.TryParse<ChannelKind>(entry.Text("Kind"), ignoreCase: true, out var kind))
        {
            return channel;
        }

        var key = kind.ToString();
        foreach (var other in Enum.GetNames<ChannelKind>().Where(other => other != key && entry.Has(other)))
        {
            entry.Problem(other, $"belongs to a channel of kind {other.ToLowerInvariant()}; this one is of kind {key.ToLowerInvariant()}");
        }

        if (!entry.Has(key))
        {
            entry.Problem(key, "is missing; it says where the channel leads");
            return channel;
        }

        return kind == ChannelKind.Email
            ? channel with { Email = ReadEmail(entry.Section(key), name, warnings) }
            : channel with { Webhook = ReadWebhook(entry.Section(key), kind, name, warnings) };
    }

    private static EmailSettings ReadEmail(ConfigurationReader mail, string name, List<string> warnings)
    {
        mail.AllowOnly("Host", "Port", "Security", "CaFile", "Username", "PasswordFile", "From", "To");
        var security = mail.Choice<MailSecurity>("Security", MailSecurity.StartTls) ?? MailSecurity.StartTls;
        var host = mail.RequiredText("Host");
        var read = new EmailSettings(
            host, mail.Number("Port", security == MailSecurity.Tls ? 465 : security == MailSecurity.StartTls ? 587 : 25, 1, 65535), security,
            Certificates(mail), mail.Text("Username"), Existing(mail, "PasswordFile"), Address(mail, "From", mail.RequiredText("From")),
            [.. List(mail, "To").Select(to => Address(mail, "To", to))]);
        if (read.To.Count == 0)
        {
            mail.Problem("To", "names nobody; write the addresses as a list");
        }

        if (read.Username is null != mail.Text("PasswordFile") is null)
        {
            mail.Problem(read.Username is null ? "Username" : "PasswordFile", "is missing; a user and a password file go together");
        }

        if (security == MailSecurity.None && !IsHere(host))
        {
            if (read.Username is not null)
            {
                mail.Problem("Security", "is none: the password would cross the network in the clear; use starttls or tls");
            }

            warnings.Add($"notifications to '{name}' cross the network unencrypted (Security is none)");
        }

        return read;
    }

    private static WebhookSettings ReadWebhook(ConfigurationReader hook, ChannelKind kind, string name, List<string> warnings)
    {
        // The address of a Slack webhook is its secret: it stands in a file.
        hook.AllowOnly(kind == ChannelKind.Slack ? ["UrlFile", "CaFile"] : ["Url", "UrlFile", "SecretFile", "CaFile"]);
        var url = hook.Text("Url") is { } text ? Url(hook, "Url", text) : null;
        var file = Existing(hook, "UrlFile");
        if (kind == ChannelKind.Slack && hook.Text("UrlFile") is null)
        {
            hook.Problem("UrlFile", "is missing; name a file whose first line is the webhook's address");
        }

        if (kind == ChannelKind.Webhook && hook.Text("Url") is null == hook.Text("UrlFile") is null)
        {
            hook.Problem("Url", "one of Url and UrlFile is needed, and only one");
        }

        if (kind == ChannelKind.Webhook && hook.Text("SecretFile") is null)
        {
            hook.Problem("SecretFile", "is missing; name a file whose first line signs each message");
        }

        var secret = Existing(hook, "SecretFile");
        if (secret is not null && SecretFile.Read(secret).Length < 16)
        {
            hook.Problem("SecretFile", "the first line has fewer than 16 characters; anybody could guess it");
        }

        var address = url ?? (file is null ? null : Url(hook, "UrlFile", SecretFile.Read(file)));
        if (address is { Scheme: "http" } && !IsHere(address.Host))
        {
            warnings.Add($"notifications to '{name}' cross the network unencrypted (http)");
        }

        return new WebhookSettings(url, file, secret, Certificates(hook));
    }

    /// <summary>Never says the address: it may hold a token.</summary>
    private static Uri? Url(ConfigurationReader hook, string key, string text)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0)
        {
            return url;
        }

        hook.Problem(key, "is no http or https address without user and password");
        return null;
    }

    private static Uri? PublicUrl(ConfigurationReader section)
    {
        if (section.Text("PublicUrl") is not { } text)
        {
            return null;
        }

        if (Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var url) && url is { Scheme: "http" or "https", Query: "", UserInfo: "" })
        {
            return url;
        }

        section.Problem("PublicUrl", $"'{text}' is no address that a browser could open, for example https://drconsole.example");
        return null;
    }

    private static string Address(ConfigurationReader mail, string key, string text)
    {
        if (text.Length > 0 && !MailAddress.TryCreate(text, out _))
        {
            mail.Problem(key, $"'{text}' is no mail address");
        }

        return text;
    }

    private static IReadOnlyList<string> Known(ConfigurationReader entry, string key, string what, IReadOnlyCollection<string> known)
    {
        var names = List(entry, key);
        foreach (var name in names.Where(name => !known.Contains(name)))
        {
            entry.Problem(key, $"there is no {what} '{name}'; known are {(known.Count == 0 ? "none" : string.Join(", ", known))}");
        }

        return names;
    }

    private static List<string> List(ConfigurationReader section, string key) =>
        [.. section.Items(key).Select(item => section.Section(key).Text(item.Key) ?? "").Where(text => text.Length > 0)];

    private static string Language(ConfigurationReader section, string usual)
    {
        var language = section.Text("Language") ?? usual;
        if (!s_languages.Contains(language))
        {
            section.Problem("Language", $"'{language}' is not one of {string.Join(", ", s_languages)}");
            return usual;
        }

        return language;
    }

    private static string? Existing(ConfigurationReader section, string key)
    {
        var path = section.FilePath(key);
        if (path is not null && !File.Exists(path))
        {
            section.Problem(key, $"there is no file {path}");
            return null;
        }

        return path;
    }

    private static string? Certificates(ConfigurationReader section)
    {
        if (Existing(section, "CaFile") is not { } path)
        {
            return null;
        }

        try
        {
            var found = new X509Certificate2Collection();
            found.ImportFromPemFile(path);
            if (found.Count == 0)
            {
                section.Problem("CaFile", $"{path} holds no certificate in PEM form");
            }
        }
        catch (CryptographicException)
        {
            section.Problem("CaFile", $"{path} holds a certificate that cannot be read");
        }

        return path;
    }

    private static bool IsHere(string host) => host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
