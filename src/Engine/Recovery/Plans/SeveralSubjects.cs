using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What a recovery of several sources is of.</summary>
/// <param name="Name">As the recovery is called.</param>
/// <param name="Request">What somebody would ask for; a sketch of it.</param>
/// <param name="Sources">The declared sources that it concerns.</param>
public sealed record SeveralSubject(string Name, SeveralRequest Request, IReadOnlyList<Source> Sources);

/// <summary>
/// Says what a plan for several sources is looked at and drilled for: each workspace that has a recovery set, or all declared
/// sources of its kind together, where there are at least two.
/// </summary>
public sealed class SeveralSubjects(ProtectedEstate estate, SetCatalog sets)
{
    /// <summary>Sets that are older than these are nothing that anybody would go back to.</summary>
    private const int SetsLookedThrough = 50;

    /// <summary>All subjects of a plan; none for a plan for one source.</summary>
    public async Task<IReadOnlyList<SeveralSubject>> OfAsync(PlanTemplate template, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(template);
        var subjects = new List<SeveralSubject>();
        if (template.Covers == PlanCover.Set)
        {
            foreach (var workspace in estate.Sources.Select(source => source.Workspace).Distinct())
            {
                if (await FindAsync(template, workspace, cancellationToken) is { } subject)
                {
                    subjects.Add(subject);
                }
            }
        }

        var together = estate.Sources.Where(template.MayHold).ToList();
        if (together.Count > 1)
        {
            subjects.Add(Of(template, together));
        }

        return subjects;
    }

    /// <summary>The subject of that name: of a plan for a set a workspace, of one for sources their names with commas between.</summary>
    /// <exception cref="EngineException"><c>plan-kind</c>; <c>workspace-unknown</c>; <c>source-unknown</c>; <c>set-unknown</c>: the workspace has no recovery set.</exception>
    public async Task<SeveralSubject> NamedAsync(PlanTemplate template, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(name);
        if (template.Covers == PlanCover.Set)
        {
            var workspace = estate.WorkspaceNamed(SeveralPlans.WorkspaceOf(name) ?? name).Name;
            return await FindAsync(template, workspace, cancellationToken)
                ?? throw new EngineException("set-unknown", ErrorKind.NotFound, $"workspace {workspace} has no recovery set", "take one on the Recovery sets page");
        }

        var sources = SeveralPlans.SourcesOf(name).Distinct().Order(StringComparer.Ordinal).Select(estate.SourceNamed).ToList();
        return sources.Count > 1
            ? Of(template, sources)
            : throw new EngineException("plan-kind", ErrorKind.Input, $"plan {template.Name} is for several sources, and {name} is one", "name at least two with commas between, or choose a plan for one source");
    }

    /// <summary>A workspace to its newest set that has all parts; where none has, to the newest, whose plan then says what is missing.</summary>
    private async Task<SeveralSubject?> FindAsync(PlanTemplate template, string workspace, CancellationToken cancellationToken)
    {
        var known = await sets.ListAsync(workspace, SetsLookedThrough, cancellationToken);
        return (known.FirstOrDefault(set => set.IsWhole) ?? (known is [var newest, ..] ? newest : null)) is { } chosen
            ? new SeveralSubject(
                SeveralPlans.SubjectOf(workspace), new SeveralRequest(template.Disasters[0], []) { Set = chosen.RunId, IsSketch = true }, [.. estate.Sources.Where(source => source.Workspace == workspace)])
            : null;
    }

    private static SeveralSubject Of(PlanTemplate template, IReadOnlyList<Source> sources)
    {
        IReadOnlyList<string> names = [.. sources.Select(source => source.Name)];
        return new SeveralSubject(SeveralPlans.SubjectOf(names), new SeveralRequest(template.Disasters[0], []) { Sources = names, IsSketch = true }, sources);
    }
}
