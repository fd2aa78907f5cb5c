using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>One entry of the rail.</summary>
/// <param name="Href">The page; a section owns every address below it.</param>
/// <param name="Icon">Path data from <see cref="IconShape"/>.</param>
/// <param name="Word">The word in the reader's language.</param>
/// <param name="IsOnBottomBar">True where it has a place of its own on a narrow screen.</param>
public sealed record Section(string Href, string Icon, string Word, bool IsOnBottomBar)
{
    /// <summary>Another address that belongs to it, or null.</summary>
    public string? Also { get; init; }
}

/// <summary>The sections that exist.</summary>
public static class Sections
{
    public const string Runs = "/runs";
    public const string Approvals = "/approvals";

    /// <summary>In the rail's order.</summary>
    public static IReadOnlyList<Section> All =>
    [
        new("/", IconShape.Overview, Texts.NavOverview, true),
        new("/sources", IconShape.Sources, Texts.NavSources, true) { Also = "/sets" },
        new("/restore-points", IconShape.Points, Texts.NavPoints, true) { Also = "/retention" },
        new("/tiers", IconShape.TierWarm, Texts.NavTiers, false),
        new("/incidents", IconShape.Incidents, Texts.NavIncidents, false),
        new(Runs, IconShape.Runs, Texts.NavRuns, true),
        new(Approvals, IconShape.Approvals, RecoveryTexts.NavApprovals, false),
        new("/plans", IconShape.Plans, RecoveryTexts.NavPlans, false),
        new("/drills", IconShape.Drills, DrillTexts.NavDrills, false),
        new("/reports", IconShape.Validator, DrillTexts.NavReports, false),
        new("/jobs", IconShape.Jobs, Texts.NavJobs, false),
        new("/audit", IconShape.Audit, Texts.NavAudit, false),
        new("/settings", IconShape.Settings, Texts.NavSettings, false),
    ];

    /// <summary>True where <paramref name="path"/> (from the root, with its slash) belongs to <paramref name="section"/>.</summary>
    public static bool Owns(Section section, string path)
    {
        var bare = path.Split('?', '#')[0].TrimEnd('/');
        return section.Href == "/"
            ? bare.Length == 0
            : bare.Equals(section.Href, StringComparison.OrdinalIgnoreCase)
                || bare.Equals(section.Also, StringComparison.OrdinalIgnoreCase)
                || bare.StartsWith(section.Href + "/", StringComparison.OrdinalIgnoreCase);
    }
}
