namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>What a person enters in the restore dialog. The engine judges it: its target parser reports every mistake at once.</summary>
internal sealed class RestoreForm
{
    public bool IsFolder { get; set; }

    public string Folder { get; set; } = "";

    public string Host { get; set; } = "";

    public string Port { get; set; } = "5432";

    public string Database { get; set; } = "";

    public string User { get; set; } = "";

    public string PasswordFile { get; set; } = "";

    public bool CreateRoles { get; set; }

    public bool NoOwner { get; set; }

    /// <summary>What has to be typed to confirm: the new thing's name.</summary>
    public string Name => IsFolder ? Path.GetFileName(Folder.Trim().TrimEnd('/')) : Database.Trim();

    /// <summary>The target's URL.</summary>
    public string ToTarget()
    {
        if (IsFolder)
        {
            return $"dir:{Folder.Trim()}";
        }

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
}
