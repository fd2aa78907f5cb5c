using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>A retention policy as a person types it. Nothing here is saved.</summary>
internal sealed class PolicyForm
{
    private const int Most = 10_000;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public string Hourly { get; set; } = "";

    public string Daily { get; set; } = "";

    public string Weekly { get; set; } = "";

    public string Monthly { get; set; } = "";

    public string Yearly { get; set; } = "";

    public string KeepAllHours { get; set; } = "";

    /// <summary>Days by tier; empty for no ceiling.</summary>
    public Dictionary<string, string> Days { get; } = [];

    /// <summary>The policy of a class, with a field for each tier that serves it.</summary>
    public static PolicyForm Of(ProtectionClass one, IEnumerable<string> tiers)
    {
        var form = new PolicyForm
        {
            PointInTimeDays = one.Retention.PointInTimeDays,
            Hourly = Text(one.Retention.Hourly),
            Daily = Text(one.Retention.Daily),
            Weekly = Text(one.Retention.Weekly),
            Monthly = Text(one.Retention.Monthly),
            Yearly = Text(one.Retention.Yearly),
            KeepAllHours = Text(one.Retention.KeepAllHours),
        };
        foreach (var tier in tiers)
        {
            form.Days[tier] = one.TierDays.TryGetValue(tier, out var days) ? Text(days) : "";
        }

        return form;
    }

    /// <summary>Not for change here: it is the class's.</summary>
    private int PointInTimeDays { get; init; }

    /// <summary>The policy, or null where a field is no whole number.</summary>
    public (RetentionPolicy Policy, IReadOnlyDictionary<string, int> Days)? Parse()
    {
        int?[] rungs = [Number(Hourly, 0), Number(Daily, 0), Number(Weekly, 0), Number(Monthly, 0), Number(Yearly, 0), Number(KeepAllHours, 0)];
        var days = Days.Where(pair => pair.Value.Trim().Length > 0).ToDictionary(pair => pair.Key, pair => Number(pair.Value, 1));
        return rungs.Any(rung => rung is null) || days.Values.Any(value => value is null)
            ? null
            : (new RetentionPolicy(rungs[0]!.Value, rungs[1]!.Value, rungs[2]!.Value, rungs[3]!.Value, rungs[4]!.Value, rungs[5]!.Value) { PointInTimeDays = PointInTimeDays },
                days.ToDictionary(pair => pair.Key, pair => pair.Value!.Value));
    }

    /// <summary>The part of the configuration that asks for it: a member to put into the <c>DrConsole</c> section.</summary>
    public static string Json(string name, RetentionPolicy policy, IReadOnlyDictionary<string, int> days)
    {
        var retention = new { policy.Hourly, policy.Daily, policy.Weekly, policy.Monthly, policy.Yearly, policy.KeepAllHours, policy.PointInTimeDays };
        var whole = JsonSerializer.Serialize(new { Classes = new Dictionary<string, object> { [name] = new { Retention = retention, Tiers = days } } }, Indented);
        return string.Join('\n', whole.Split('\n')[1..^1].Select(line => line.TrimEnd('\r')[2..]));
    }

    private static int? Number(string text, int least) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= Most * 4 ? value : null;

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
