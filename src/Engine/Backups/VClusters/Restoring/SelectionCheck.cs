using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Looks for mistakes of hand in a selection. One in <c>map=</c> would restore over the namespace that was to be spared, so it is
/// refused; a filter that takes nothing is said.
/// </summary>
internal static class SelectionCheck
{
    /// <summary>A namespace that is to get another name must be one that something is restored of.</summary>
    /// <exception cref="EngineException"><c>map-unused</c>.</exception>
    public static void RequireMapUsed(RestoreSelection selection, IEnumerable<CapturedObject> chosen)
    {
        var places = chosen.Select(one => RestoreSelection.PlaceOf(one.Key)).ToHashSet(StringComparer.Ordinal);
        var unused = selection.NamespaceMap.Keys.Where(name => !places.Contains(name)).Order(StringComparer.Ordinal).ToList();
        if (unused.Count > 0)
        {
            throw new EngineException(
                "map-unused", ErrorKind.Input, $"map= gives {string.Join(", ", unused)} another name, and nothing that is selected is in it",
                "look at the names of the namespaces in map= and namespaces=; what is mapped by a wrong name would be restored over the original");
        }
    }

    /// <summary>Two objects for one place: the second would find the first one there.</summary>
    /// <exception cref="EngineException"><c>map-collides</c>.</exception>
    public static void RequireOneEach(RestoreSelection selection, IEnumerable<CapturedObject> restored)
    {
        var twice = restored.GroupBy(one => selection.TargetOf(one.Key)).Where(group => group.Count() > 1).ToList();
        if (twice.Count > 0)
        {
            throw new EngineException(
                "map-collides", ErrorKind.Input,
                $"{string.Join(" and ", twice[0].Select(one => one.Key))} would both become {twice[0].Key}{(twice.Count > 1 ? $", and {twice.Count - 1} more likewise" : "")}",
                "give each namespace a name of its own in map=, or restore them one after the other");
        }
    }

    /// <summary>A sentence for each entry of a filter that makes no difference.</summary>
    public static IEnumerable<string> Idle(RestoreSelection selection, IReadOnlyList<CapturedObject> index)
    {
        return Taking("namespaces", selection.Namespaces, entry => selection with { Namespaces = [entry], ClusterScoped = false })
            .Concat(Taking("kinds", selection.Kinds, entry => selection with { Kinds = [entry] }))
            .Concat(Taking("names", selection.Names, entry => selection with { Names = [entry] }))
            .Concat(Excluding("excludeNamespaces", selection.ExcludedNamespaces, entry => new RestoreSelection { Namespaces = [entry], ClusterScoped = false }))
            .Concat(Excluding("excludeKinds", selection.ExcludedKinds, entry => new RestoreSelection { Kinds = [entry] }));

        IEnumerable<string> Taking(string option, IReadOnlyList<string> entries, Func<string, RestoreSelection> alone) =>
            entries.Where(entry => !index.Any(alone(entry).Takes)).Select(entry => $"{option}={entry} takes nothing: with the other filters, no object of the restore point is so");

        IEnumerable<string> Excluding(string option, IReadOnlyList<string> entries, Func<string, RestoreSelection> alone) =>
            entries.Where(entry => !index.Any(alone(entry).Takes)).Select(entry => $"{option}={entry} excludes nothing: no object of the restore point is so");
    }
}
