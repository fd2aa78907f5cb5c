using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Everything that the configuration declares, checked and complete.</summary>
/// <param name="Name">The estate's name in the app bar.</param>
/// <param name="DataDirectory">Absolute path of the console's data folder.</param>
/// <param name="Classes">Protection classes by name.</param>
/// <param name="Tiers">Tiers, the first written first. Never empty.</param>
/// <param name="Sources">Sources in the order of the configuration.</param>
/// <param name="Warnings">What is odd but usable, each a sentence.</param>
public sealed record ProtectedEstate(
    string Name, string DataDirectory, IReadOnlyDictionary<string, ProtectionClass> Classes,
    IReadOnlyList<StorageTier> Tiers, IReadOnlyList<Source> Sources, IReadOnlyList<string> Warnings)
{
    /// <summary>How its health is watched.</summary>
    public HealthSettings Health { get; init; } = HealthSettings.Default;

    /// <summary>Who hears of what, and how.</summary>
    public NotificationSettings Notifications { get; init; } = NotificationSettings.None;

    internal const int UsualRestoreApprovals = 1;

    /// <summary>How many people, other than the one who asks, approve a restore that writes over what lives; 0 where the configuration wants none.</summary>
    public int RestoreApprovals { get; init; } = UsualRestoreApprovals;

    /// <summary>By the word for the risk in a plan's gate: how many people approve at least, whatever the plan says.</summary>
    public IReadOnlyDictionary<string, int> Approvals { get; init; } = new Dictionary<string, int>();

    /// <summary>The risk of a restore over what lives, in the word that the product's own plans have for theirs.</summary>
    internal const string RestoreRisk = "destructive";

    /// <summary>Workspaces that the configuration says more of than that sources belong to them.</summary>
    public IReadOnlyList<WorkspaceSettings> Workspaces { get; init; } = [];

    /// <summary>How the sources of a workspace are backed up together.</summary>
    /// <exception cref="EngineException">No source belongs to it.</exception>
    public WorkspaceSettings WorkspaceNamed(string name) => Sources.Any(source => source.Workspace == name)
        ? Workspaces.FirstOrDefault(workspace => workspace.Name == name) ?? WorkspaceSettings.Of(name)
        : throw new EngineException("workspace-unknown", ErrorKind.NotFound, $"no source belongs to a workspace '{name}'",
            Sources.Count == 0 ? "Declare sources in the configuration first." : $"There are: {string.Join(", ", Sources.Select(source => source.Workspace).Distinct().Order(StringComparer.Ordinal))}.");

    /// <summary>The source of that name.</summary>
    /// <exception cref="EngineException">The configuration declares none.</exception>
    public Source SourceNamed(string name) => Sources.FirstOrDefault(source => source.Name == name)
        ?? throw new EngineException("source-unknown", ErrorKind.NotFound, $"there is no source named '{name}'",
            Sources.Count == 0 ? "Declare sources in the configuration first." : $"The configuration declares: {string.Join(", ", Sources.Select(source => source.Name))}.");

    /// <summary>The tier of that name.</summary>
    /// <exception cref="EngineException">The configuration declares none.</exception>
    public StorageTier TierNamed(string name) => Tiers.FirstOrDefault(tier => tier.Name == name)
        ?? throw new EngineException("tier-unknown", ErrorKind.NotFound, $"there is no tier named '{name}'", $"The configuration declares: {string.Join(", ", Tiers.Select(tier => tier.Name))}.");

    /// <summary>The class of a source; unknown classes fall back to <c>standard</c>.</summary>
    public ProtectionClass ClassOf(Source source) => Classes.TryGetValue(source.Class, out var found) ? found : Classes["standard"];

    /// <summary>Of the classes of some sources the one whose proofs hold for the shortest time: a recovery of all of them is looked at as often as that one asks.</summary>
    public ProtectionClass StrictestOf(IEnumerable<Source> sources) => sources.Select(ClassOf).MinBy(one => one.ProofLifetime)!;

    /// <summary>
    /// The tiers that serve a class, in their order: those that it names, and those that no class names. Where that leaves none,
    /// all of them, since a backup in the wrong tier is better than none.
    /// </summary>
    public IReadOnlyList<StorageTier> TiersOf(ProtectionClass one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return Serving(one, Classes, Tiers);
    }

    /// <summary>How a source's WAL is received; null where it is not: it is no PostgreSQL, has no physical backups, or wants none.</summary>
    public WalSettings? WalOf(Source source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.Postgres is { Mode: not PostgresMode.Logical } settings && (settings.Wal.IsEnabled ?? ClassOf(source).Rpo <= WalSettings.LongestRpo) ? settings.Wal : null;
    }

    internal static IReadOnlyList<StorageTier> Serving(ProtectionClass one, IReadOnlyDictionary<string, ProtectionClass> classes, IReadOnlyList<StorageTier> tiers)
    {
        var named = classes.Values.SelectMany(other => other.TierDays.Keys).ToHashSet();
        var serving = tiers.Where(tier => one.TierDays.ContainsKey(tier.Name) || !named.Contains(tier.Name)).ToList();
        return serving.Count > 0 ? serving : tiers;
    }

    /// <summary>The tiers that serve a source, in their order.</summary>
    public IReadOnlyList<StorageTier> TiersOf(Source source) => TiersOf(ClassOf(source));
}
