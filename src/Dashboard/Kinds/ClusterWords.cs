using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Kinds;

/// <summary>Virtual clusters: objects and namespaces, and the revision of the control plane's store.</summary>
internal sealed class ClusterWords : KindWords
{
    public override SourceKind Kind => SourceKind.VCluster;

    public override string Name => PageTexts.KindVCluster;

    public override string Icon => IconShape.VCluster;

    public override IEnumerable<NamedFact> Of(Source source) => [];

    public override KindSheet Read(PointContent content, TimeProvider time)
    {
        var facts = content.Facts;
        if (Number(facts, "objects") is not { } objects || Number(facts, "namespaces") is not { } namespaces)
        {
            return KindSheet.None;
        }

        return new KindSheet
        {
            Holds = Figures.Format(ClusterTexts.Line, objects, namespaces),
            Brief = [new NamedFact(ClusterTexts.FactObjects, Figures.Count(objects)), new NamedFact(ClusterTexts.FactNamespaces, Figures.Count(namespaces))],
            Facts =
            [
                new NamedFact(ClusterTexts.FactCluster, Text(facts, "cluster")),
                new NamedFact(ClusterTexts.FactVersion, Text(facts, "kubernetesVersion")),
                new NamedFact(ClusterTexts.FactObjects, Figures.Count(objects)),
                new NamedFact(ClusterTexts.FactNamespaces, Figures.Count(namespaces)),
                new NamedFact(ClusterTexts.FactRevision, Number(facts, "etcdRevision") is { } revision ? Figures.Count(revision) : ClusterTexts.PartMissing),
            ],
        };
    }

    private static long? Number(JsonElement facts, string name) => Find(facts, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value) ? value : null;

    private static string Text(JsonElement facts, string name) => Find(facts, name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : KindSheet.Unknown;

    private static JsonElement? Find(JsonElement facts, string name) => facts.ValueKind == JsonValueKind.Object && facts.TryGetProperty(name, out var found) ? found : null;
}
