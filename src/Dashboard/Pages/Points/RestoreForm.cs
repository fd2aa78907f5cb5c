using System.Globalization;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>What a restore makes.</summary>
internal enum RestoreInto
{
    /// <summary>A database on a running server, from a dump.</summary>
    Database,

    /// <summary>A cluster's data directory, from files and WAL.</summary>
    DataDirectory,

    /// <summary>Keys on a running Redis.</summary>
    RedisServer,

    /// <summary>The raw artifacts, or a volume's files, in a new folder.</summary>
    Folder,

    /// <summary>A volume's own folder, by its difference.</summary>
    InPlace,
}

/// <summary>What a person enters in the restore dialog. The engine judges it: its target parser reports every mistake at once.</summary>
internal sealed class RestoreForm
{
    public RestoreInto Into { get; set; }

    public string Folder { get; set; } = "";

    /// <summary>Of a volume: the folder or file that is restored; empty for everything.</summary>
    public string Part { get; set; } = "";

    /// <summary>Of a virtual cluster: the claim whose volume it is, as <c>namespace/name</c>; empty for a volume of its own.</summary>
    public string Claim { get; set; } = "";

    /// <summary>In place: what is not in the restore point goes.</summary>
    public bool Delete { get; set; }

    /// <summary>In place: contents are compared, not sizes and times.</summary>
    public bool Verify { get; set; }

    public string DataDirectory { get; set; } = "";

    public string ServerPort { get; set; } = "";

    /// <summary>The moment to recover a cluster to; null for the restore point itself.</summary>
    public DateTimeOffset? Moment { get; set; }

    /// <summary>The timeline to recover along; null where there is only one.</summary>
    public uint? Timeline { get; set; }

    public string Host { get; set; } = "";

    public string Port { get; set; } = "5432";

    public string Database { get; set; } = "";

    public string User { get; set; } = "";

    public string PasswordFile { get; set; } = "";

    /// <summary>Of a Redis: a pattern of keys; empty for all of them.</summary>
    public string Keys { get; set; } = "";

    public bool ReplaceKeys { get; set; }

    public bool CreateRoles { get; set; }

    public bool NoOwner { get; set; }

    /// <summary>What has to be typed to confirm: the new thing's name.</summary>
    public string Name => Into switch
    {
        RestoreInto.Folder or RestoreInto.InPlace => Path.GetFileName(Folder.Trim().TrimEnd('/')),
        RestoreInto.DataDirectory => Path.GetFileName(DataDirectory.Trim().TrimEnd('/')),
        RestoreInto.RedisServer => $"{Host.Trim()}:{Port.Trim()}",
        _ => Database.Trim(),
    };

    /// <summary>The target's URL.</summary>
    public string ToTarget()
    {
        if (Into is RestoreInto.Folder or RestoreInto.InPlace)
        {
            return DirectoryUrl();
        }

        if (Into == RestoreInto.DataDirectory)
        {
            var aim = new List<string>();
            if (ServerPort.Trim().Length > 0)
            {
                aim.Add($"port={Uri.EscapeDataString(ServerPort.Trim())}");
            }

            if (Moment is { } moment)
            {
                aim.Add($"time={Uri.EscapeDataString(moment.UtcDateTime.ToString("O", CultureInfo.InvariantCulture))}");
                aim.AddRange(Timeline is { } timeline ? [string.Create(CultureInfo.InvariantCulture, $"timeline={timeline}")] : []);
            }

            return $"pgdata:{Uri.EscapeDataString(DataDirectory.Trim()).Replace("%2F", "/", StringComparison.Ordinal)}{(aim.Count > 0 ? "?" + string.Join('&', aim) : "")}";
        }

        return Into == RestoreInto.RedisServer ? ToRedis() : ToDatabase();
    }

    private string ToRedis()
    {
        var options = new List<string>();
        if (PasswordFile.Trim().Length > 0)
        {
            options.Add($"passwordFile={Uri.EscapeDataString(PasswordFile.Trim())}");
        }

        if (Keys.Trim().Length > 0)
        {
            options.Add($"keys={Uri.EscapeDataString(Keys.Trim())}");
        }

        if (ReplaceKeys)
        {
            options.Add("replace=true");
        }

        var user = User.Trim().Length > 0 ? Uri.EscapeDataString(User.Trim()) + "@" : "";
        return $"redis://{user}{Host.Trim()}:{Port.Trim()}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}";
    }

    private string ToDatabase()
    {
        var options = new List<string>();
        if (PasswordFile.Trim().Length > 0)
        {
            options.Add($"passwordFile={Uri.EscapeDataString(PasswordFile.Trim())}");
        }

        if (CreateRoles)
        {
            options.Add("createRoles=true");
        }

        if (NoOwner)
        {
            options.Add("noOwner=true");
        }

        var query = options.Count > 0 ? "?" + string.Join('&', options) : "";
        return $"postgres://{Uri.EscapeDataString(User.Trim())}@{Host.Trim()}:{Port.Trim()}/{Uri.EscapeDataString(Database.Trim())}{query}";
    }

    private string DirectoryUrl()
    {
        var options = new List<string>();
        if ($"{Claim}/{Part.Trim('/')}".Trim('/') is { Length: > 0 } part)
        {
            options.Add($"part={Uri.EscapeDataString(part)}");
        }

        if (Into == RestoreInto.InPlace)
        {
            options.Add("inPlace=true");
            options.AddRange(new[] { ("delete", Delete), ("verify", Verify) }.Where(option => option.Item2).Select(option => option.Item1 + "=true"));
        }

        var path = Folder.Trim().Replace("%", "%25", StringComparison.Ordinal).Replace("?", "%3F", StringComparison.Ordinal);
        return $"dir:{path}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}";
    }
}
