namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>How the sources of a workspace are backed up together.</summary>
/// <param name="Name">The workspace.</param>
/// <param name="Quiesce">Program and arguments that hold the application still while the parts are captured; null for none.</param>
/// <param name="Resume">What lets it go on; set where <paramref name="Quiesce"/> is.</param>
/// <param name="LongestHold">After this long the application goes on, whether or not every part was captured.</param>
/// <param name="Every">How often a set is taken by the schedule; null for only when somebody asks.</param>
public sealed record WorkspaceSettings(string Name, IReadOnlyList<string>? Quiesce, IReadOnlyList<string>? Resume, TimeSpan LongestHold, TimeSpan? Every)
{
    /// <summary>What holds for a workspace that the configuration does not name.</summary>
    public static WorkspaceSettings Of(string name) => new(name, null, null, DefaultHold, null);

    internal static readonly TimeSpan DefaultHold = TimeSpan.FromSeconds(30);
}

/// <summary>Reads the <c>Workspaces</c> of the configuration.</summary>
internal static class WorkspaceConfiguration
{
    private static readonly TimeSpan s_longestHold = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_shortestInterval = TimeSpan.FromHours(1);

    public static List<WorkspaceSettings> Read(ConfigurationReader root, IReadOnlyList<Source> sources)
    {
        var found = new List<WorkspaceSettings>();
        foreach (var entry in root.Items("Workspaces"))
        {
            entry.AllowOnly("Name", "Quiesce", "Resume", "LongestHold", "SetEvery");
            var name = entry.RequiredText("Name");
            if (name.Length > 0 && sources.All(source => source.Workspace != name))
            {
                entry.Problem("Name", $"no source belongs to workspace '{name}'");
            }

            if (found.Any(other => other.Name == name))
            {
                entry.Problem("Name", $"workspace '{name}' is given twice");
            }

            var (quiesce, resume) = (entry.Words("Quiesce"), entry.Words("Resume"));
            if ((quiesce is null) != (resume is null))
            {
                entry.Problem(quiesce is null ? "Quiesce" : "Resume", "is missing; an application that is held still must be let go on again");
            }

            var hold = entry.Duration("LongestHold", WorkspaceSettings.DefaultHold);
            if (hold <= TimeSpan.Zero || hold > s_longestHold)
            {
                entry.Problem("LongestHold", $"is from 00:00:01 to {s_longestHold:c}");
            }

            TimeSpan? every = entry.Text("SetEvery") is null ? null : entry.Duration("SetEvery", s_shortestInterval);
            if (every < s_shortestInterval)
            {
                entry.Problem("SetEvery", $"is {s_shortestInterval:c} or more; what must be newer than that is the sources' own schedules' work");
            }

            found.Add(new WorkspaceSettings(name, quiesce, resume, hold, every));
        }

        return found;
    }
}
