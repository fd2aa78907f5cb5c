namespace Hexabase.DrConsole.Dashboard;

/// <summary>What the web app needs to know at start.</summary>
public sealed class DashboardOptions
{
    /// <summary>
    /// Where the keys that seal cookies are kept (mode 0700, made where missing). All web processes of one console
    /// share it; losing it only signs everybody out.
    /// </summary>
    public required string DataProtectionKeysDirectory { get; set; }

    /// <summary>What the app bar calls this console's estate; the machine's name where nothing better is known.</summary>
    public string EstateName { get; set; } = Environment.MachineName;

    /// <summary>How long a session lives without a request.</summary>
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromHours(8);

    /// <summary>How long a session lives at most, however much it is used.</summary>
    public TimeSpan LongestSession { get; set; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How soon signing out, a changed role or password, or a disabled account ends a session in its other tabs. docs/api.md
    /// promises 15 seconds; the rest is for the look itself.
    /// </summary>
    public TimeSpan SessionCheckInterval { get; set; } = TimeSpan.FromSeconds(10);
}
