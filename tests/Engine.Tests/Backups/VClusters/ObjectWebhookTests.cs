using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What a server's webhooks, defaults and schemas make of a restore of objects.</summary>
public sealed class ObjectWebhookTests : IAsyncDisposable
{
    private const string Maps = "/api/v1/namespaces/shop/configmaps";
    private const string Hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    private readonly ScriptedApi _server = new();
    private readonly MemoryJournal _journal = new();

    [Fact]
    public async Task Owners_are_set_before_the_server_asks_others_about_each_write()
    {
        var (child, ofHook) = (Map("child"), Map("of-hook"));
        child["metadata"]!["ownerReferences"] = Owner("v1", "ConfigMap", "parent");
        ofHook["metadata"]!["ownerReferences"] = Owner("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "hook");
        var plan = Plan(Create(Map("parent")), Create(child), Create(ofHook), Create(Hook("hook")));
        // Its backend is a Pod of the restore, which does not run yet.
        _server.Answers = (method, path) => method == "PATCH" && path.EndsWith("/child", StringComparison.Ordinal) && _server.Find($"{Hooks}/hook") is not null ? 500 : null;

        var result = await RestoreAsync(plan);

        Assert.Empty(result.Warnings);
        Assert.Empty(result.Failed);
        Assert.Equal(Uid($"{Maps}/parent"), OwnerOf($"{Maps}/child"));
        // One that is owned by what comes last waits for it.
        Assert.Equal(Uid($"{Hooks}/hook"), OwnerOf($"{Maps}/of-hook"));

        string? OwnerOf(string path) => _server.Find(path)!["metadata"]!["ownerReferences"]?[0]?["uid"]?.GetValue<string>();
    }

    [Theory]
    [InlineData("Internal error occurred: failed calling webhook \"guard.example.org\": Post \"https://guard/\": connection refused")]
    [InlineData("conversion webhook for example.org/v1, Kind=Widget failed: Post \"https://guard/\": connection refused")]
    public async Task Webhook_that_stays_away_is_waited_for_once_and_fails_its_objects_and_no_others(string says)
    {
        var plan = Plan(Create(Map("a")), Create(Map("b")), Create(Map("c")), Create(Map("d")));
        _server.Says = says;
        _server.Answers = (method, path) => method == "POST" && _server.Asked[^1].Body?["metadata"]?["name"]?.GetValue<string>() is "a" or "c" ? 500 : null;

        var result = await RestoreAsync(plan);

        Assert.Equal([$"ConfigMap shop/a: {says}", $"ConfigMap shop/c: {says}"], result.Failed);
        Assert.Equal(2, result.Created);
        var asked = _server.Asked.Where(one => one.Method == "POST").Select(one => one.Body!["metadata"]!["name"]!.GetValue<string>()).ToList();
        Assert.True(asked.Count(name => name == "a") > 10, "its backend may come back");
        Assert.Equal(1, asked.Count(name => name == "c"));

        // Once it is back, what was refused is restored by the same run.
        _server.Answers = (_, _) => null;
        Assert.Equal(4, (await RestoreAsync(plan)).Created);
    }

    [Fact]
    public async Task Object_that_the_server_made_something_else_of_is_known_by_who_made_it()
    {
        _server.Admits = body => body["data"]!["injected"] = "by a webhook";
        var plan = Plan(Create(Map("a")), Create(Map("b")));
        _journal.DiesAt = 1;
        await Assert.ThrowsAsync<IOException>(() => RestoreAsync(plan));
        _journal.DiesAt = int.MaxValue;
        Assert.NotNull(_server.Find($"{Maps}/b"));

        // Gone on with, it is no drift; taken back, it is taken back.
        Assert.Equal((2, 0), await RestoreAsync(plan) is var done ? (done.Created, done.Warnings.Count) : default);
        _journal.Notes.Remove(1);
        Assert.Empty((await Restore().UndoAsync(plan, Ct)).Left);
        Assert.Null(_server.Find($"{Maps}/a"));
        Assert.Null(_server.Find($"{Maps}/b"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Change_that_the_server_made_something_else_of_is_taken_back_unless_somebody_wrote_after_it(bool isWrittenSince)
    {
        var before = Map("a");
        before["data"]!["key"] = "before";
        _server.Put($"{Maps}/a", before);
        _server.Admits = body => body["data"]!["injected"] = "by a webhook";
        var plan = Plan(Create(Map("a")) with { Action = ObjectAction.Change, Live = before, LiveDigest = ObjectRestorePlan.DigestOf(before) });
        _journal.DiesAt = 0;
        await Assert.ThrowsAsync<IOException>(() => RestoreAsync(plan));
        _journal.DiesAt = int.MaxValue;
        _server.Admits = _ => { };
        if (isWrittenSince)
        {
            var edited = _server.Find($"{Maps}/a")!;
            edited["data"]!["key"] = "a stranger's";
            edited["metadata"]!["managedFields"]!.AsArray().Add(new JsonObject { ["manager"] = "kubectl", ["time"] = "2999-01-01T00:00:00Z" });
            _server.Put($"{Maps}/a", edited);
        }

        await Restore().UndoAsync(plan, Ct);

        Assert.Equal(isWrittenSince ? "a stranger's" : "before", _server.Find($"{Maps}/a")!["data"]!["key"]!.GetValue<string>());
    }

    [Fact]
    public async Task Fields_that_the_server_would_drop_from_a_changed_object_are_named_in_the_plan()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var stored = await StoreAsync(repository, Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"size":2,"colour":"blue"}}"""));
        const string Path = "/apis/example.org/v1/namespaces/shop/widgets/w";
        _server.Put(Path, Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"size":1}}"""));
        _server.Admits = body => body["spec"]!.AsObject().Remove("colour");

        var plan = await new RestorePlanner(_server.Api).PlanAsync(stored, new RestoreSelection { ChangesExisting = true }, Ct);

        Assert.Equal((ObjectAction.Change, "the server would drop spec.colour"), Assert.Single(plan.Objects) is var one ? (one.Action, one.Reason) : default);
        _server.Admits = _ => { };
        Assert.Null(Assert.Single((await new RestorePlanner(_server.Api).PlanAsync(stored, new RestoreSelection { ChangesExisting = true }, Ct)).Objects).Reason);
    }

    [Fact]
    public async Task Changed_object_whose_version_is_not_served_and_would_lose_fields_is_in_conflict()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var stored = await StoreAsync(repository, Json("""{"apiVersion":"example.org/v1beta1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"size":2,"colour":"blue"}}"""));
        _server.Put("/apis/example.org/v1/namespaces/shop/widgets/w", Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"size":1}}"""));
        _server.Admits = body => body["spec"]!.AsObject().Remove("colour");

        var one = Assert.Single((await new RestorePlanner(_server.Api).PlanAsync(stored, new RestoreSelection { ChangesExisting = true }, Ct)).Objects);

        Assert.Equal((ObjectAction.Conflict, "the target serves it as example.org/v1 only, which would drop spec.colour"), (one.Action, one.Reason));
    }

    [Fact]
    public async Task Server_behind_a_gateway_is_asked_below_the_gateways_path()
    {
        using var folder = new TemporaryFolder();
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(folder.Write("kubeconfig", Encoding.UTF8.GetBytes($$"""
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "{{_server.Api.Address}}/k8s/clusters/c-1" } }]
            users: [{name: u, user: {token: none} }]
            contexts: [{name: x, context: {cluster: c, user: u} }]
            current-context: x
            """))));

        await api.SendAsync(HttpMethod.Get, "/version", null, null, Ct);

        Assert.Equal("/k8s/clusters/c-1/version", Assert.Single(_server.Asked).Path);
        // Plans of two clusters behind one gateway are not the same.
        Assert.Equal(_server.Api.Address + "/k8s/clusters/c-1", api.Address);
    }

    [Theory]
    [InlineData("""{"annotations":{"apf.kubernetes.io/autoupdate-spec":"true"}}""", true)]
    [InlineData("""{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}}""", false)]
    [InlineData("{}", false)]
    public void Rules_of_priority_are_restored_unless_the_server_keeps_them_itself(string metadata, bool isItsOwn)
    {
        foreach (var kind in (string[])["FlowSchema", "PriorityLevelConfiguration"])
        {
            Assert.Equal(isItsOwn, ObjectRules.NeverRestored(Json($$"""{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"{{kind}}","metadata":{{metadata}} }"""), wasTerminating: false) is not null);
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ObjectRestore Restore() => new(_server.Api, _journal, new HastyTime()) { Operation = "R-1" };

    private Task<ObjectRestoreResult> RestoreAsync(ObjectRestorePlan plan) => Restore().ExecuteAsync(plan, plan.Hash, null, Ct);

    private string Uid(string path) => _server.Find(path)!["metadata"]!["uid"]!.GetValue<string>();

    private static ObjectRestorePlan Plan(params PlannedObject[] objects) => new("http://scripted", objects);

    private static PlannedObject Create(JsonObject document) =>
        new(KubeObjectKey.Of(document), KubeObjectKey.Of(document), ObjectAction.Create, null, [], ObjectRestorePlan.DigestOf(document), null) { Document = document };

    private static JsonObject Map(string name) => Json($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}","namespace":"shop"},"data":{"key":"after"} }""");

    private static JsonObject Hook(string name) => Json($$"""{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"{{name}}"},"webhooks":[{"name":"w"}] }""");

    private static JsonArray Owner(string apiVersion, string kind, string name) => [new JsonObject { ["apiVersion"] = apiVersion, ["kind"] = kind, ["name"] = name, ["uid"] = "of another cluster" }];

    private static async Task<StoredObjects> StoreAsync(BackupRepository repository, JsonObject value)
    {
        var (bytes, key) = (Encoding.UTF8.GetBytes(ObjectYaml.Write(value)), KubeObjectKey.Of(value));
        var line = JsonSerializer.Serialize(
            new CapturedObject(value["apiVersion"]!.GetValue<string>(), key.Kind, key.Namespace, key.Name, "u", VClusterArtifacts.CustomResources, 0, bytes.Length, "d", false), VClusterJson.Default.CapturedObject);
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct);
        await session.WriteStreamAsync(VClusterArtifacts.CustomResources, "kubernetes objects", new MemoryStream(bytes), null, Ct);
        await session.WriteStreamAsync(VClusterArtifacts.Index, "index of objects", new MemoryStream(Encoding.UTF8.GetBytes(line)), null, Ct);
        return new StoredObjects(repository, await session.CommitAsync(null, null, Ct));
    }

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
