using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Clusters;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class ObjectPlanTests : ControlTests
{
    [Fact]
    public void Plan_counts_every_action_and_names_first_what_stands_in_the_way()
    {
        AddAuthorization().SetAuthorized("ito").SetPolicies(Policies.CanOperate);
        var view = Show(Planned("web", ObjectAction.Create), Planned("api", ObjectAction.Refuse, "admission webhook said no"), Planned("old", ObjectAction.Leave, "is there and equal"));
        Assert.Equal(["1", "0", "1", "0", "1"], view.FindAll(".strip .value").Select(value => value.TextContent));
        Assert.Equal("Restore 1 object into host-ns/tenant-a", view.Find("#restore-run").TextContent);
        view.FindAll("nav button").First(button => button.TextContent.StartsWith("Refused", StringComparison.Ordinal)).Click();
        Assert.Equal("true", view.FindAll("nav button").First(button => button.TextContent.StartsWith("Refused", StringComparison.Ordinal)).GetAttribute("aria-pressed"));
    }

    [Fact]
    public void Plan_that_changes_what_lives_there_is_an_admins()
    {
        AddAuthorization().SetAuthorized("ito").SetPolicies(Policies.CanOperate);
        var view = Show(Planned("web", ObjectAction.Change) with { Differences = [new FieldDifference("spec.replicas", "3", "1")] });
        Assert.Empty(view.FindAll("#restore-run"));
        Assert.Contains("only an admin may run it", view.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_without_effect_cannot_be_run()
    {
        AddAuthorization().SetAuthorized("ito").SetPolicies(Policies.CanOperate, Policies.CanAdminister);
        var view = Show(Planned("web", ObjectAction.Leave, "is there and equal"));
        Assert.Empty(view.FindAll("#restore-run"));
        Assert.Contains("Nothing would be done.", view.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Filter_that_takes_nothing_is_said_before_the_objects()
    {
        AddAuthorization().SetAuthorized("ito").SetPolicies(Policies.CanOperate);
        var view = Show(["namespaces=shpo takes nothing"], Planned("web", ObjectAction.Create));
        Assert.Equal("namespaces=shpo takes nothing", view.Find("ul.selection li").TextContent);
        Assert.Empty(Show(Planned("web", ObjectAction.Create)).FindAll("ul.selection"));
    }

    [Fact]
    public void Every_claim_whose_data_are_written_is_said_however_many_files_differ()
    {
        AddAuthorization().SetAuthorized("ito").SetPolicies(Policies.CanOperate);
        var files = Enumerable.Range(0, 300).Select(at => $"data of claim shop/a: ~ files/{at}");
        var view = Render<ObjectPlanView>(with => with
            .Add(one => one.Plan, Plan(["object notes", .. files, "data of claim shop/b: in /volumes/b, with what is replaced kept aside", "volume: 00 dir:/volumes/b"], null))
            .Add(one => one.Objects, new ObjectRestorePlan("https://127.0.0.1", [Planned("web", ObjectAction.Create)]))
            .Add(one => one.Target, "host-ns/tenant-a"));
        var lines = view.FindAll("ul.notes li").Select(line => line.TextContent).ToList();
        Assert.Equal("data of claim shop/b: in /volumes/b, with what is replaced kept aside", lines[^1]);
        Assert.Equal(301, lines.Count);
    }

    [Fact]
    public void Part_that_no_restore_point_holds_is_said_and_an_old_one_shows_its_age()
    {
        const string Objects = """[{"name":"resources.yaml","kind":"kubernetes objects","type":"stream","length":1000,"storedBytes":10,"sha256":"00","root":{"depth":0,"chunk":null,"length":0}}]""";
        const string WithStore = """[{"name":"etcd.snapshot","kind":"etcd snapshot","type":"stream","length":5000,"storedBytes":10,"sha256":"00","root":{"depth":0,"chunk":null,"length":0}}]""";
        var parts = Render<ClusterParts>(with => with.Add(one => one.Points, [Point("aa", Start.AddHours(-1), Objects), Point("bb", Start.AddHours(-30), WithStore)]));
        var rows = parts.FindAll("tbody tr").Select(row => row.TextContent).ToList();
        Assert.Contains(rows, row => row.Contains("Resources", StringComparison.Ordinal) && row.Contains("1h ago", StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Contains("Control plane", StringComparison.Ordinal) && row.Contains("1d 6h ago", StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Contains("Secrets", StringComparison.Ordinal) && row.Contains("In no restore point", StringComparison.Ordinal));
    }

    [Fact]
    public void Part_that_could_not_be_read_has_the_age_of_the_point_that_has_it()
    {
        const string Artifacts = """[{"name":"resources.yaml","kind":"kubernetes objects","type":"stream","length":1000,"storedBytes":10,"sha256":"00","root":{"depth":0,"chunk":null,"length":0}},{"name":"secrets.yaml","kind":"kubernetes objects","type":"stream","length":0,"storedBytes":0,"sha256":"00","root":{"depth":0,"chunk":null,"length":0}}]""";
        var blind = Point("aa", Start.AddHours(-1), Artifacts) with { FactsJson = """{"unread":{"secrets.yaml":["secrets"],"resources.yaml":["deployments.apps"]}}""" };
        var parts = Render<ClusterParts>(with => with.Add(one => one.Points, [blind, Point("bb", Start.AddHours(-30), Artifacts)]));
        var rows = parts.FindAll("tbody tr").Select(row => row.TextContent).ToList();
        Assert.Contains(rows, row => row.Contains("Secrets", StringComparison.Ordinal) && row.Contains("1d 6h ago", StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Contains("Resources", StringComparison.Ordinal) && row.Contains("1h ago", StringComparison.Ordinal) && row.Contains("without deployments.apps", StringComparison.Ordinal));
    }

    private IRenderedComponent<ObjectPlanView> Show(params PlannedObject[] objects) => Show([], objects);

    private IRenderedComponent<ObjectPlanView> Show(string[] notes, params PlannedObject[] objects) => Render<ObjectPlanView>(with => with
        .Add(one => one.Plan, Plan([], objects.Any(one => one.Action == ObjectAction.Change) ? "00" : null))
        .Add(one => one.Objects, new ObjectRestorePlan("https://127.0.0.1", objects) { Notes = notes })
        .Add(one => one.Target, "host-ns/tenant-a"));

    private static RestorePlan Plan(IReadOnlyList<string> notes, string? difference) => new()
    {
        FormatVersion = 1,
        RestorePointId = "0123456789abcdef",
        ManifestHash = "00",
        Source = "tenant-a",
        Kind = "vcluster-objects",
        Target = "vcluster:host-ns/tenant-a?kubeconfig=/k",
        Artifacts = [],
        Notes = notes,
        Difference = difference,
    };

    private static PlannedObject Planned(string name, ObjectAction action, string? reason = null)
    {
        var key = new KubeObjectKey("apps", "Deployment", "shop", name);
        return new PlannedObject(key, key, action, reason, [], "00", null);
    }

    private static RestorePointRow Point(string id, DateTimeOffset at, string artifacts) =>
        new(id.PadRight(32, '0'), "tenant-a", "vcluster", "critical", "shop", at, at, 1000, 100, artifacts, null, "{}", 1);
}
