using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What comes along with a restore although nobody chose it.</summary>
[Collection("vcluster")]
public sealed class RestoreCompanionsTests(KubernetesLab kubernetes) : IAsyncDisposable
{
    private const string Own = "case-own";
    private const string Group = "own.hexabase.example";
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private const string Bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    private readonly ClusterClient _cluster = new(kubernetes);
    private readonly List<string> _made = [];

    [Fact]
    public async Task Definition_that_is_in_the_target_is_not_changed_for_another_one_of_its_group()
    {
        await _cluster.OpenAsync(Ct);
        await CreateAsync("/api/v1/namespaces", Own, $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{Own}}"} }""");
        foreach (var (plural, kind) in ((string, string)[])[("albums", "Album"), ("tracks", "Track")])
        {
            await CreateAsync(Definitions, $"{plural}.{Group}", $$$"""
                {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"{{{plural}}}.{{{Group}}}"},"spec":{"group":"{{{Group}}}","scope":"Namespaced",
                 "names":{"plural":"{{{plural}}}","kind":"{{{kind}}}"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"} } }]} }
                """);
            await _cluster.WaitAsync($"/apis/{Group}/v1/namespaces/{Own}/{plural}", _ => true, Ct);
            await _cluster.CreateAsync($"/apis/{Group}/v1/namespaces/{Own}/{plural}", $$"""{"apiVersion":"{{Group}}/v1","kind":"{{kind}}","metadata":{"name":"first"} }""", Ct);
        }

        await _cluster.CaptureAsync(Ct);
        await _cluster.DeleteAsync($"{Definitions}/albums.{Group}", Ct);
        await _cluster.PatchAsync($"{Definitions}/tracks.{Group}", """{"metadata":{"labels":{"release":"2"}}}""", Ct);

        var plan = await _cluster.WaitPlanAsync($"namespaces={Own}&kinds=Album&existing=change", found => found.Count(ObjectAction.Create) == 2, Ct);

        Assert.Equal([$"CustomResourceDefinition.apiextensions.k8s.io albums.{Group}", $"Album.{Group} {Own}/first"], plan.Objects.Select(one => one.Target.ToString()));
    }

    [Fact]
    public async Task Rights_that_accounts_have_as_users_and_groups_come_along_and_those_that_stay_behind_are_said()
    {
        await _cluster.OpenAsync(Ct);
        await CreateAsync("/api/v1/namespaces", Own, $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{Own}}"} }""");
        await _cluster.CreateAsync($"/api/v1/namespaces/{Own}/serviceaccounts", """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"worker"}}""", Ct);
        foreach (var (name, kind, subject) in ((string, string, string)[])[
            ("own-group", "Group", $"system:serviceaccounts:{Own}"), ("own-user", "User", $"system:serviceaccount:{Own}:worker"), ("own-person", "User", $"{Own}:worker"),
            ("own-other", "Group", "system:serviceaccounts:case-elsewhere")])
        {
            await CreateAsync(Bindings, name, $$"""
                {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"{{name}}"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},
                 "subjects":[{"kind":"{{kind}}","apiGroup":"rbac.authorization.k8s.io","name":"{{subject}}"}]}
                """);
        }

        await _cluster.CaptureAsync(Ct);
        const string Mapped = $"namespaces={Own}&map={Own}:case-other";
        // Those that are there stay as they are, and name the accounts of the original.
        var beside = await _cluster.PlanAsync(Mapped, Ct);
        Assert.DoesNotContain(beside.Objects, one => one.Target.Kind == "ClusterRoleBinding");
        Assert.Collection(
            beside.Notes.Order(StringComparer.Ordinal),
            note => Assert.Matches("own-group is in the target.*no rights to the service accounts of case-other", note),
            note => Assert.Matches("own-user is in the target.*no rights to service account case-other/worker", note));
        Assert.Empty((await _cluster.PlanAsync($"namespaces={Own}", Ct)).Notes);

        foreach (var name in (string[])["own-group", "own-user", "own-person", "own-other"])
        {
            await _cluster.DeleteAsync($"{Bindings}/{name}", Ct);
        }

        var plan = await _cluster.PlanAsync(Mapped, Ct);
        Assert.Equal(["own-group", "own-user"], plan.Objects.Where(one => one.Target.Kind == "ClusterRoleBinding").Select(one => one.Target.Name));
        Assert.Empty(plan.Notes);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var path in _made)
        {
            await _cluster.DeleteAsync(path, CancellationToken.None);
        }

        await _cluster.DisposeAsync();
    }

    private async Task CreateAsync(string path, string name, string json)
    {
        _made.Add($"{path}/{name}");
        await _cluster.CreateAsync(path, json, Ct);
    }
}
