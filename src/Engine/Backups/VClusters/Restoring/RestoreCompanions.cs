using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>Looks an object up in the target.</summary>
internal delegate Task<JsonObject?> FindLive(KubeResource resource, KubeObjectKey key, CancellationToken cancellationToken);

/// <summary>
/// What comes along although nobody chose it, since what was chosen is nothing without it: definitions of custom resources, the
/// namespaces of single objects, and the rights over the whole cluster of the service accounts of whole namespaces. Only where the
/// target has none: what is there is never changed for it.
/// </summary>
internal sealed class RestoreCompanions(StoredObjects stored, IReadOnlyList<CapturedObject> index, RestoreSelection selection, KubeCatalogue catalogue, FindLive findLive)
{
    private const string Rights = "rbac.authorization.k8s.io";
    private readonly List<string> _notes = [];

    /// <summary>What nobody does, and who restores should know.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Finds them, with their documents.</summary>
    public async Task<IReadOnlyList<StoredDocument>> FindAsync(IReadOnlyList<StoredDocument> chosen, CancellationToken cancellationToken)
    {
        var taken = chosen.Select(one => one.Object.Key).ToHashSet();
        var wanted = await MissingAsync(Definitions(chosen).Concat(Namespaces(chosen)), cancellationToken).ConfigureAwait(false);
        List<StoredDocument> found = [.. await stored.ReadEachAsync(wanted.Where(one => !taken.Contains(one.Key) && !selection.Excludes(one)), cancellationToken).ConfigureAwait(false)];
        if (selection is { TakesWholeNamespaces: true, ClusterScoped: null } && (selection.Namespaces.Count > 0 || selection.ExcludedNamespaces.Count > 0))
        {
            found.AddRange(await RightsAsync(chosen, cancellationToken).ConfigureAwait(false));
        }

        return found;
    }

    private IEnumerable<CapturedObject> Definitions(IReadOnlyList<StoredDocument> chosen)
    {
        var missing = chosen.Where(one => catalogue.Serving(one.Object.ApiVersion, one.Object.Kind) is null).Select(one => one.Object.Key.Group).ToHashSet(StringComparer.Ordinal);
        return index.Where(one => one.Kind == "CustomResourceDefinition" && missing.Contains(one.Name[(one.Name.IndexOf('.', StringComparison.Ordinal) + 1)..]));
    }

    private IEnumerable<CapturedObject> Namespaces(IReadOnlyList<StoredDocument> chosen)
    {
        var places = chosen.Select(one => one.Object.Namespace).ToHashSet(StringComparer.Ordinal);
        return index.Where(one => one.Key is { Kind: "Namespace", Group: "" } && !one.IsTerminating && places.Contains(one.Name));
    }

    /// <summary>Bindings of the whole cluster that name a service account of a chosen namespace, and the roles that any of its bindings names.</summary>
    private async Task<IEnumerable<StoredDocument>> RightsAsync(IReadOnlyList<StoredDocument> chosen, CancellationToken cancellationToken)
    {
        var accounts = chosen.Where(one => one.Object.Key is { Kind: "ServiceAccount", Group: "" }).Select(one => (one.Object.Namespace, one.Object.Name)).ToHashSet();
        var candidates = accounts.Count == 0 ? [] : index.Where(one => one.Key is { Kind: "ClusterRoleBinding", Group: Rights } && !one.IsTerminating && !selection.Excludes(one)).ToList();
        var missing = await MissingAsync(candidates, cancellationToken).ConfigureAwait(false);
        var bindings = (await stored.ReadEachAsync(missing, cancellationToken).ConfigureAwait(false)).Where(one => one.Document is { } document && SubjectsIn(document).Any(IsChosen)).ToList();
        if (accounts.Any(one => selection.NamespaceMap.ContainsKey(one.Namespace)))
        {
            await NoteLeftRightsAsync([.. await stored.ReadEachAsync(candidates.Except(missing), cancellationToken).ConfigureAwait(false)], IsChosen, cancellationToken).ConfigureAwait(false);
        }

        var roles = bindings.Concat(chosen.Where(one => one.Object.Key is { Kind: "RoleBinding", Group: Rights })).Select(one => one.Document?["roleRef"])
            .Where(role => role?["kind"]?.GetValue<string>() == "ClusterRole").Select(role => role!["name"]!.GetValue<string>()).ToHashSet(StringComparer.Ordinal);
        var named = index.Where(one => one.Key is { Kind: "ClusterRole", Group: Rights } && roles.Contains(one.Name) && !selection.Excludes(one));
        return bindings.Concat(await stored.ReadEachAsync(await MissingAsync(named, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false));

        bool IsChosen(SubjectAccounts subject) => accounts.Any(one => one.Namespace == subject.Namespace && (subject.Name is null || subject.Name == one.Name));
    }

    /// <summary>A binding that is in the target is not changed for a namespace under another name: its accounts have fewer rights than the original's.</summary>
    private async Task NoteLeftRightsAsync(IReadOnlyList<StoredDocument> there, Func<SubjectAccounts, bool> isChosen, CancellationToken cancellationToken)
    {
        foreach (var one in there.Where(one => one.Document is not null))
        {
            var live = await findLive(catalogue.Serving(one.Object.ApiVersion, one.Object.Kind)!, one.Object.Key, cancellationToken).ConfigureAwait(false);
            var has = live is null ? [] : SubjectsIn(live).ToHashSet();
            var without = SubjectsIn(one.Document!).Where(isChosen).Select(subject => subject.Mapped(selection)).Where(subject => !has.Contains(subject)).Distinct().ToList();
            if (without.Count > 0)
            {
                _notes.Add($"{one.Object.Key} is in the target and stays as it is: it gives no rights to {string.Join(", ", without)}; add them to it by hand where they shall have them");
            }
        }
    }

    private static IEnumerable<SubjectAccounts> SubjectsIn(JsonObject binding) => (binding["subjects"] as JsonArray ?? []).OfType<JsonObject>().Select(SubjectAccounts.Of).OfType<SubjectAccounts>();

    private async Task<List<CapturedObject>> MissingAsync(IEnumerable<CapturedObject> all, CancellationToken cancellationToken)
    {
        var missing = new List<CapturedObject>();
        foreach (var one in all)
        {
            if (catalogue.Serving(one.ApiVersion, one.Kind) is { } resource && await findLive(resource, selection.TargetOf(one.Key), cancellationToken).ConfigureAwait(false) is null)
            {
                missing.Add(one);
            }
        }

        return missing;
    }
}
