using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Turns the configuration's <c>DrConsole</c> section into a checked <see cref="ProtectedEstate"/>.</summary>
public static partial class EstateConfiguration
{
    private static readonly string[] RootKeys = ["Name", "DataDirectory", "Classes", "Tiers", "Sources", "Workspaces", "Health", "Notifications", "RestoreApprovals", "Approvals"];

    /// <summary>More different people than that nobody finds at night.</summary>
    private const int MostApprovals = 5;

    /// <summary>Reads and checks everything; nothing is created or changed.</summary>
    /// <param name="configuration">All providers, a file given by <c>--config</c> among them.</param>
    /// <param name="dataDirectory">The folder given on the command line, or null.</param>
    /// <exception cref="EngineException">Code <c>configuration</c>: every mistake, one a line, each with its key.</exception>
    public static ProtectedEstate Read(IConfigurationRoot configuration, string? dataDirectory)
    {
        var problems = new List<string>();
        var warnings = new List<string>();
        var reader = new ConfigurationReader(configuration, configuration.GetSection("DrConsole"), problems);
        reader.AllowOnly(RootKeys);
        var data = dataDirectory is not null ? Path.GetFullPath(dataDirectory) : reader.FilePath("DataDirectory") ?? DefaultDataDirectory();
        var classes = ReadClasses(reader);
        var tiers = TierConfiguration.Read(reader, data);
        var sources = SourceConfiguration.Read(reader, classes, warnings);
        var workspaces = WorkspaceConfiguration.Read(reader, sources);
        var health = HealthConfiguration.Read(reader);
        var notifications = NotificationConfiguration.Read(reader, sources, warnings);
        var least = ReadApprovals(reader);
        var approvals = reader.Number("RestoreApprovals", Math.Max(ProtectedEstate.UsualRestoreApprovals, least.GetValueOrDefault(ProtectedEstate.RestoreRisk)), 0, MostApprovals);
        if (approvals < least.GetValueOrDefault(ProtectedEstate.RestoreRisk))
        {
            reader.Problem("RestoreApprovals", $"is {approvals}, and Approvals asks for {least[ProtectedEstate.RestoreRisk]} where the risk is {ProtectedEstate.RestoreRisk}, as of every restore over what lives");
        }

        if (approvals == 0)
        {
            warnings.Add("RestoreApprovals is 0: a restore that writes over what lives needs nobody's approval but the word of whoever asks for it");
        }

        ReportRepeats(tiers.Select(tier => tier.Name), "DrConsole:Tiers", "tier", problems);
        TierConfiguration.ReportOverlaps(tiers, problems);
        ReportRepeats(sources.Select(source => source.Name), "DrConsole:Sources", "source", problems);
        WarnOfFewTiers(classes, tiers, sources, warnings);
        warnings.AddRange(RetentionWarnings.Of(classes, tiers, sources));
        if (problems.Count > 0)
        {
            throw new EngineException("configuration", ErrorKind.Input,
                $"the configuration has {problems.Count} mistake{(problems.Count == 1 ? "" : "s")}:\n{string.Join('\n', problems.Select(problem => "  - " + problem))}",
                "Correct them and start again; nothing was changed.");
        }

        return new ProtectedEstate(reader.Text("Name") ?? "local", data, classes, tiers, sources, warnings) { Health = health, Workspaces = workspaces, Notifications = notifications, RestoreApprovals = approvals, Approvals = least };
    }

    /// <remarks>Written with a capital it must not be passed over in silence: keys of a configuration are the same in any case.</remarks>
    private static Dictionary<string, int> ReadApprovals(ConfigurationReader reader)
    {
        var approvals = reader.Section("Approvals");
        return reader.Items("Approvals").ToDictionary(risk => risk.Key, risk => approvals.Number(risk.Key, 1, 1, MostApprovals), StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>The node whose agent reads a source's files; null for the console's machine.</summary>
    internal static string? ReadNode(ConfigurationReader settings)
    {
        var node = settings.Text("Node");
        if (node is not null && !NameShape().IsMatch(node))
        {
            settings.Problem("Node", $"'{node}' is not a name; use lower-case letters, digits, '.', '_' and '-'");
        }

        return node;
    }

    /// <summary>Where the console keeps its data when nobody says: a folder that survives and, as root, that PostgreSQL's user may enter.</summary>
    public static string DefaultDataDirectory()
    {
        if (Environment.UserName == "root")
        {
            return "/var/lib/hexabase-drconsole";
        }

        var home = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(home.Length > 0 ? home : Directory.GetCurrentDirectory(), "hexabase-drconsole");
    }

    private static Dictionary<string, ProtectionClass> ReadClasses(ConfigurationReader reader)
    {
        var classes = new Dictionary<string, ProtectionClass>(ProtectionClass.Defaults);
        foreach (var entry in reader.Items("Classes"))
        {
            entry.AllowOnly("Rto", "Rpo", "Retention", "Tiers", "MinimumTiers", "ProofDays", "DrillDays", "Encryption", "Compression");
            var basis = classes.GetValueOrDefault(entry.Key, classes["standard"]);
            var ladder = entry.Section("Retention");
            var encryption = entry.Section("Encryption");
            encryption.AllowOnly("RotationDays");
            ladder.AllowOnly("Hourly", "Daily", "Weekly", "Monthly", "Yearly", "KeepAllHours", "PointInTimeDays");
            var days = entry.Has("Tiers")
                ? entry.Items("Tiers").ToDictionary(tier => tier.Key, tier => entry.Section("Tiers").Number(tier.Key, 0, 1, 36500))
                : basis.TierDays;
            classes[entry.Key] = new ProtectionClass(
                entry.Key,
                entry.Duration("Rto", basis.Rto),
                entry.Duration("Rpo", basis.Rpo),
                new RetentionPolicy(
                    ladder.Number("Hourly", basis.Retention.Hourly, 0, 10000),
                    ladder.Number("Daily", basis.Retention.Daily, 0, 10000),
                    ladder.Number("Weekly", basis.Retention.Weekly, 0, 10000),
                    ladder.Number("Monthly", basis.Retention.Monthly, 0, 10000),
                    ladder.Number("Yearly", basis.Retention.Yearly, 0, 1000),
                    ladder.Number("KeepAllHours", basis.Retention.KeepAllHours, 0, 24 * 365))
                {
                    PointInTimeDays = ladder.Number("PointInTimeDays", basis.Retention.PointInTimeDays, 0, 3650),
                },
                days,
                entry.Number("MinimumTiers", basis.MinimumTiers, 1, 10),
                entry.Number("ProofDays", basis.ProofDays, 1, 3650),
                encryption.Number("RotationDays", basis.RotationDays, 0, 3650),
                entry.Number("DrillDays", basis.DrillDays, 0, 3650))
            {
                Compression = entry.Choice<Compression>("Compression", basis.Compression) ?? basis.Compression,
            };
            if (classes[entry.Key].Retention.KeepsNothing)
            {
                entry.Problem("Retention", "keeps nothing; give at least one of Hourly, Daily, Weekly, Monthly, Yearly a number above 0");
            }
        }

        return classes;
    }

    private static void ReportRepeats(IEnumerable<string> names, string key, string what, List<string> problems) =>
        problems.AddRange(names.Where(name => name.Length > 0).GroupBy(name => name).Where(group => group.Count() > 1)
            .Select(group => $"{key}: the {what} '{group.Key}' is given {group.Count()} times"));

    private static void WarnOfFewTiers(
        IReadOnlyDictionary<string, ProtectionClass> classes, List<StorageTier> tiers, List<Source> sources, List<string> warnings)
    {
        foreach (var source in sources)
        {
            var one = classes.TryGetValue(source.Class, out var found) ? found : classes["standard"];
            var serving = ProtectedEstate.Serving(one, classes, tiers).Count;
            if (serving < one.MinimumTiers)
            {
                warnings.Add($"{source.Name} is {source.Class}: its restore points count only in {one.MinimumTiers} tiers, and {serving} serves its class; it stays degraded");
            }
        }
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,62}$")]
    internal static partial Regex NameShape();
}
