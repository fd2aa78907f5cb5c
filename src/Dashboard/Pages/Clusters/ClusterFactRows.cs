using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>A virtual cluster's facts in the reader's words.</summary>
internal static class ClusterFactRows
{
    /// <summary>One line for a table: objects and namespaces; null for other kinds.</summary>
    public static string? Line(RestorePointRow point) => point is { Kind: VClusterBackup.Kind, FactsJson: { } json } ? Line(json) : null;

    /// <summary>The same of the newest restore point of a source.</summary>
    public static string? Line(SourceStanding standing) => standing is { Source.Kind: SourceKind.VCluster, Facts.NewestFactsJson: { } json } ? Line(json) : null;

    /// <summary>The facts of a restore point.</summary>
    public static IEnumerable<NamedFact> Of(RestorePointRow point)
    {
        if (point is not { Kind: VClusterBackup.Kind, FactsJson: { } json })
        {
            yield break;
        }

        var facts = JsonElement.Parse(json);
        yield return new NamedFact(ClusterTexts.FactCluster, facts.GetProperty("cluster").GetString()!);
        yield return new NamedFact(ClusterTexts.FactVersion, facts.GetProperty("kubernetesVersion").GetString()!);
        yield return new NamedFact(ClusterTexts.FactObjects, Figures.Count(facts.GetProperty("objects").GetInt64()));
        yield return new NamedFact(ClusterTexts.FactNamespaces, Figures.Count(facts.GetProperty("namespaces").GetInt64()));
        yield return new NamedFact(ClusterTexts.FactRevision, facts.GetProperty("etcdRevision") is { ValueKind: JsonValueKind.Number } revision ? Figures.Count(revision.GetInt64()) : ClusterTexts.PartMissing);
    }

    private static string Line(string json)
    {
        var facts = JsonElement.Parse(json);
        return Figures.Format(ClusterTexts.Line, facts.GetProperty("objects").GetInt64(), facts.GetProperty("namespaces").GetInt64());
    }
}
