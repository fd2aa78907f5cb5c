using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>The way back takes what the restore made, and nothing that somebody else did meanwhile.</summary>
public sealed class ObjectUndoTests : IAsyncDisposable
{
    private const string Maps = "/api/v1/namespaces/shop/configmaps";
    private readonly ScriptedApi _server = new();
    private readonly MemoryJournal _journal = new();

    [Theory]
    [InlineData("drconsole-R-1", true)]
    [InlineData("helm", false)]
    public async Task Equal_object_is_ours_where_the_server_says_that_this_run_made_it(string manager, bool isOurs)
    {
        var plan = Plan(Create(Map("a", "after")));
        _server.Answers = (method, path) =>
        {
            if (method == "POST" && _server.Find($"{path}/a") is null)
            {
                var made = Map("a", "after");
                made["metadata"]!["managedFields"] = new JsonArray(new JsonObject { ["manager"] = manager });
                _server.Put($"{path}/a", made);
            }

            return null;
        };

        var result = await Restore().ExecuteAsync(plan, plan.Hash, null, Ct);
        var (_, left) = await Restore().UndoAsync(plan, Ct);

        Assert.Equal((isOurs ? 1 : 0, isOurs ? 0 : 1), (result.Created, result.Warnings.Count));
        Assert.Empty(result.Failed);
        Assert.Empty(left);
        Assert.Equal(isOurs, _server.Find($"{Maps}/a") is null);
    }

    [Fact]
    public async Task Equal_object_of_a_stranger_behind_the_last_note_is_not_taken_for_the_effect_that_nobody_could_note()
    {
        var plan = Plan(Create(Map("a", "after")), Create(Map("b", "after")));
        _journal.DiesAt = 1;
        await Assert.ThrowsAsync<IOException>(() => Restore().ExecuteAsync(plan, plan.Hash, null, Ct));
        _journal.DiesAt = int.MaxValue;
        var stranger = Map("b", "after");
        stranger["metadata"]!["managedFields"] = new JsonArray(new JsonObject { ["manager"] = "kubectl" });
        _server.Put($"{Maps}/b", stranger);

        Assert.Empty((await Restore().UndoAsync(plan, Ct)).Left);

        Assert.Null(_server.Find($"{Maps}/a"));
        Assert.NotNull(_server.Find($"{Maps}/b"));
    }

    [Fact]
    public async Task Namespace_that_holds_what_others_have_put_there_stays_and_is_told()
    {
        var plan = Plan(Create(Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}""")), Create(Map("a", "after")));
        await Restore().ExecuteAsync(plan, plan.Hash, null, Ct);
        _server.Put($"{Maps}/orders", Map("orders", "a stranger's"));
        // Neither is anybody's: one is in every namespace, the other goes with its owner.
        _server.Put($"{Maps}/kube-root-ca.crt", Map("kube-root-ca.crt", "c"));
        var child = Map("child", "c");
        child["metadata"]!["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["name"] = "a", ["uid"] = "u" });
        _server.Put($"{Maps}/child", child);

        var (taken, left) = await Restore().UndoAsync(plan, Ct);

        Assert.Equal("Namespace shop: it holds what the restore did not make: ConfigMap shop/orders", Assert.Single(left));
        Assert.Equal(1, taken);
        Assert.NotNull(_server.Find("/api/v1/namespaces/shop"));
        Assert.Null(_server.Find($"{Maps}/a"));

        await _server.Api.DeleteAsync($"{Maps}/orders", null, Ct);
        Assert.Empty((await Restore().UndoAsync(plan, Ct)).Left);
        Assert.Null(_server.Find("/api/v1/namespaces/shop"));
    }

    [Fact]
    public async Task Object_that_somebody_changed_after_the_restore_is_left_and_told()
    {
        var plan = Plan(Change("a"), Change("b"));
        await Restore().ExecuteAsync(plan, plan.Hash, null, Ct);
        var edited = _server.Find($"{Maps}/a")!;
        edited["data"]!["key"] = "a stranger's";
        _server.Put($"{Maps}/a", edited);
        _server.Touch($"{Maps}/b");

        var (taken, left) = await Restore().UndoAsync(plan, Ct);

        Assert.Equal("ConfigMap shop/a: somebody has changed it since", Assert.Single(left));
        Assert.Equal(("a stranger's", "before", 1), (Value("a"), Value("b"), taken));
    }

    [Fact]
    public async Task Way_back_of_a_change_that_broke_off_after_its_effect_is_done_again()
    {
        var plan = Plan(Change("a"));
        await Restore().ExecuteAsync(plan, plan.Hash, null, Ct);
        var times = 0;
        _server.Answers = (method, path) =>
        {
            if (method != "PUT" || ++times > 1)
            {
                return null;
            }

            // It took effect, and the answer never came.
            _server.Put(path, Map("a", "before"));
            return 0;
        };

        Assert.Empty((await Restore().UndoAsync(plan, Ct)).Left);
        Assert.Equal("before", Value("a"));
    }

    [Fact]
    public async Task Owners_of_an_object_that_is_there_are_set_as_planned_and_taken_back()
    {
        var owner = _server.Put($"{Maps}/owner", Map("owner", "o"));
        var one = Change("a");
        one.Document!["metadata"]!["ownerReferences"] = Owners("owner");
        var plan = Plan(one with { Digest = ObjectRestorePlan.DigestOf(one.Document) });

        Assert.Empty((await Restore().ExecuteAsync(plan, plan.Hash, null, Ct)).Warnings);
        Assert.Equal(owner, _server.Find($"{Maps}/a")!["metadata"]!["ownerReferences"]![0]!["uid"]!.GetValue<string>());

        Assert.Empty((await Restore().UndoAsync(plan, Ct)).Left);
        Assert.Null(_server.Find($"{Maps}/a")!["metadata"]!["ownerReferences"]);
        Assert.Equal("before", Value("a"));
    }

    [Fact]
    public async Task Object_that_is_there_keeps_its_owners_where_the_stored_ones_are_nowhere()
    {
        var one = Change("a");
        one.Document!["metadata"]!["ownerReferences"] = Owners("nowhere");
        one.Live!["metadata"]!["ownerReferences"] = Owners("living");
        _server.Put($"{Maps}/a", one.Live);
        var plan = Plan(one with { Digest = ObjectRestorePlan.DigestOf(one.Document), LiveDigest = ObjectRestorePlan.DigestOf(one.Live) });

        var warning = Assert.Single((await Restore().ExecuteAsync(plan, plan.Hash, null, Ct)).Warnings);

        Assert.EndsWith("its owner ConfigMap nowhere is not in the target; its owners stay as they are", warning, StringComparison.Ordinal);
        Assert.Equal("living", _server.Find($"{Maps}/a")!["metadata"]!["ownerReferences"]![0]!["name"]!.GetValue<string>());
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ObjectRestore Restore() => new(_server.Api, _journal, new HastyTime()) { Operation = "R-1" };

    private string Value(string name) => _server.Find($"{Maps}/{name}")!["data"]!["key"]!.GetValue<string>();

    private static ObjectRestorePlan Plan(params PlannedObject[] objects) => new("http://scripted", objects);

    private static PlannedObject Create(JsonObject document) => Of(document, ObjectAction.Create);

    /// <summary>One that is there with another content.</summary>
    private PlannedObject Change(string name)
    {
        var before = Map(name, "before");
        _server.Put($"{Maps}/{name}", before);
        return Of(Map(name, "after"), ObjectAction.Change) with { Live = before, LiveDigest = ObjectRestorePlan.DigestOf(before) };
    }

    private static PlannedObject Of(JsonObject document, ObjectAction action) =>
        new(KubeObjectKey.Of(document), KubeObjectKey.Of(document), action, null, [], ObjectRestorePlan.DigestOf(document), null) { Document = document };

    private static JsonArray Owners(string name) => new(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["name"] = name, ["uid"] = "of another cluster" });

    private static JsonObject Map(string name, string value) =>
        Json($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}","namespace":"shop"},"data":{"key":"{{value}}"} }""");

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
