using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A restore of objects, and its way back, at a server that is away, busy or written to by others for a moment.</summary>
public sealed class ObjectPatienceTests : IAsyncDisposable
{
    private const string Maps = "/api/v1/namespaces/shop/configmaps";
    private readonly ScriptedApi _server = new();
    private readonly MemoryJournal _journal = new();

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(504)]
    [InlineData(429)]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Server_that_is_away_or_busy_for_a_while_ends_no_restore(int answer)
    {
        var plan = Plan(Create("a"), Create("b"), Create("c"));
        var times = 0;
        _server.Answers = (method, _) => method == "POST" && ++times is >= 2 and <= 30 ? answer : null;

        var result = await RestoreAsync(plan);

        Assert.Empty(result.Failed);
        Assert.Equal(3, result.Created);
        Assert.All((string[])["a", "b", "c"], name => Assert.NotNull(_server.Find($"{Maps}/{name}")));
    }

    [Fact]
    public async Task Server_that_stays_broken_is_a_fault_and_no_restore_without_what_it_refused()
    {
        var plan = Plan(Create("a"), Create("b"));
        _server.Answers = (method, _) => method == "POST" ? 500 : null;

        var fault = await Assert.ThrowsAsync<EngineException>(() => RestoreAsync(plan));

        Assert.Equal("api-refused", fault.Code);
        Assert.True(fault.IsTransient);
        Assert.Contains("ConfigMap shop/a", fault.Message, StringComparison.Ordinal);
        // It goes on where it stopped, once somebody has mended it.
        _server.Answers = (_, _) => null;
        Assert.Equal(2, (await RestoreAsync(plan)).Created);
    }

    [Fact]
    public async Task Object_that_a_broken_connection_hid_is_found_created()
    {
        var plan = Plan(Create("a"));
        var isFirst = true;
        _server.Answers = (method, path) =>
        {
            if (method != "POST" || !isFirst)
            {
                return null;
            }

            // It took effect, and the answer never came.
            isFirst = false;
            _server.Put($"{path}/a", plan.Objects[0].Document!);
            return 0;
        };

        Assert.Equal(1, (await RestoreAsync(plan)).Created);
        Assert.Equal(_server.Find($"{Maps}/a")!["metadata"]!["uid"]!.GetValue<string>(), _journal.Notes[0].Uid);
    }

    [Fact]
    public async Task Cancel_is_obeyed_while_a_server_is_waited_for()
    {
        using var cancel = new CancellationTokenSource();
        _server.Answers = (method, _) => method == "POST" ? 503 : null;
        var restore = new ObjectRestore(_server.Api, _journal, TimeProvider.System).ExecuteAsync(Plan(Create("a")), Plan(Create("a")).Hash, null, cancel.Token);
        await Eventually.UntilAsync(() => Task.FromResult(_server.Asked.Any(one => one.Method == "POST")), () => "the first request", Ct);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => restore);
    }

    [Fact]
    public async Task Status_that_is_written_in_between_is_no_drift_and_hinders_no_way_back()
    {
        var plan = Plan(Change("a"));
        var writes = 0;
        _server.Answers = (method, path) =>
        {
            if (method == "PUT" && ++writes % 4 != 0)
            {
                _server.Touch(path);
            }

            return null;
        };

        Assert.Equal(1, (await RestoreAsync(plan)).Changed);
        Assert.Equal("after", Value("a"));
        Assert.Empty((await UndoAsync(plan)).Left);
        Assert.Equal("before", Value("a"));
        Assert.Equal(8, writes);
    }

    [Fact]
    public async Task Content_that_is_written_in_between_is_drift()
    {
        var plan = Plan(Change("a"));
        _server.Answers = (method, path) =>
        {
            if (method == "PUT")
            {
                _server.Put(path, Map("a", "a stranger's"));
            }

            return null;
        };

        Assert.Equal("target-drifted", (await Assert.ThrowsAsync<EngineException>(() => RestoreAsync(plan))).Code);
        Assert.Equal("a stranger's", Value("a"));
    }

    [Fact]
    public async Task Conflict_over_a_quota_is_no_drift()
    {
        var plan = Plan(Create("a"));
        var times = 0;
        _server.Answers = (method, _) => method == "POST" && ++times <= 3 ? 409 : null;
        Assert.Equal(1, (await RestoreAsync(plan)).Created);
    }

    [Fact]
    public async Task Way_back_waits_for_a_server_that_is_away()
    {
        var plan = Plan(Create("a"), Create("b"));
        await RestoreAsync(plan);
        var times = 0;
        _server.Answers = (method, _) => method == "DELETE" && ++times is 1 or 2 ? (times == 1 ? 0 : 503) : null;

        Assert.Equal((2, 0), await UndoAsync(plan) is var (taken, left) ? (taken, left.Count) : default);
        Assert.Null(_server.Find($"{Maps}/a"));

        // One that stays away is a fault: what is left is still on record.
        await RestoreAsync(plan);
        _server.Answers = (method, _) => method == "DELETE" ? 503 : null;
        await Assert.ThrowsAsync<EngineException>(() => UndoAsync(plan));
        Assert.Equal(2, _journal.Notes.Count);
    }

    [Fact]
    public async Task Way_back_takes_what_was_deleted_for_gone_when_it_is_gone()
    {
        var plan = Plan(
            Create("ours", "example.org/keep"), Create("kept", "kubernetes.io/pvc-protection"),
            Create("plain"));
        await RestoreAsync(plan);

        var (taken, left) = await UndoAsync(plan);

        // Whoever obeys its finalizer is not here, and was not before the restore.
        Assert.Null(_server.Find($"{Maps}/ours"));
        Assert.Null(_server.Find($"{Maps}/plain"));
        Assert.Equal(2, taken);
        Assert.Equal("ConfigMap shop/kept: it was deleted and is still there, held by kubernetes.io/pvc-protection", Assert.Single(left));
        Assert.Equal(1, Assert.Single(_journal.Notes).Key);
        Assert.All(_server.Asked.Where(one => one.Method == "DELETE"), one => Assert.Equal("Background", one.Body!["propagationPolicy"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Effect_behind_a_refused_one_that_nobody_could_note_is_taken_back()
    {
        var plan = Plan(Create("a"), Create("b"), Create("c"));
        _server.Answers = (method, path) => method == "POST" && _server.Asked.Count(one => one.Method == "POST") == 2 ? 422 : null;
        // The refusal of b is noted; the process dies after c and before its note.
        _journal.DiesAt = 2;
        await Assert.ThrowsAsync<IOException>(() => RestoreAsync(plan));
        _journal.DiesAt = int.MaxValue;
        Assert.NotNull(_server.Find($"{Maps}/c"));

        var (taken, left) = await UndoAsync(plan);

        Assert.Equal((2, 0), (taken, left.Count));
        Assert.Null(_server.Find($"{Maps}/a"));
        Assert.Null(_server.Find($"{Maps}/c"));
    }

    [Fact]
    public void Hash_of_a_plan_covers_what_the_server_answers_and_not_its_words()
    {
        var one = Create("a") with { Action = ObjectAction.Refuse, Reason = "request 17 was denied at 21:04:11", RefusedWith = 403 };
        var hash = Plan(one).Hash;
        Assert.Equal(hash, Plan(one with { Reason = "request 18 was denied at 21:05:40" }).Hash);
        Assert.NotEqual(hash, Plan(one with { RefusedWith = 422 }).Hash);
        Assert.NotEqual(hash, Plan(one with { Action = ObjectAction.Conflict }).Hash);
        // The plan's own reasons are what a person confirms.
        var own = one with { RefusedWith = null };
        Assert.NotEqual(Plan(own).Hash, Plan(own with { Reason = "another" }).Hash);
    }

    [Fact]
    public async Task Custom_resource_whose_specification_is_no_object_goes_into_a_scratch_cluster()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var value = Json("""{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":"plain"}""");
        var bytes = Encoding.UTF8.GetBytes(ObjectYaml.Write(value));
        var line = JsonSerializer.Serialize(new CapturedObject("example.org/v1", "Widget", "shop", "w", "u", VClusterArtifacts.CustomResources, 0, bytes.Length, "d", false), VClusterJson.Default.CapturedObject);
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Ct);
        await session.WriteStreamAsync(VClusterArtifacts.CustomResources, "kubernetes objects", new MemoryStream(bytes), null, Ct);
        await session.WriteStreamAsync(VClusterArtifacts.Index, "index of objects", new MemoryStream(Encoding.UTF8.GetBytes(line)), null, Ct);
        var stored = new StoredObjects(repository, await session.CommitAsync(null, null, Ct));
        _server.Put("/api/v1/namespaces/shop", Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"""));

        var plan = await new RestorePlanner(_server.Api) { IsScratch = true }.PlanAsync(stored, new RestoreSelection(), Ct);

        Assert.Equal(ObjectAction.Create, Assert.Single(plan.Objects).Action);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private Task<ObjectRestoreResult> RestoreAsync(ObjectRestorePlan plan) => new ObjectRestore(_server.Api, _journal, new HastyTime()).ExecuteAsync(plan, plan.Hash, null, Ct);

    private Task<(int Taken, IReadOnlyList<string> Left)> UndoAsync(ObjectRestorePlan plan) => new ObjectRestore(_server.Api, _journal, new HastyTime()).UndoAsync(plan, Ct);

    private string Value(string name) => _server.Find($"{Maps}/{name}")!["data"]!["key"]!.GetValue<string>();

    private static ObjectRestorePlan Plan(params PlannedObject[] objects) => new("http://scripted", objects);

    private static PlannedObject Create(string name, string? finalizer = null)
    {
        var document = Map(name, "after");
        if (finalizer is not null)
        {
            document["metadata"]!["finalizers"] = new JsonArray(finalizer);
        }

        return Of(document, ObjectAction.Create);
    }

    /// <summary>One that is there with another content.</summary>
    private PlannedObject Change(string name)
    {
        var before = Map(name, "before");
        _server.Put($"{Maps}/{name}", before);
        return Of(Map(name, "after"), ObjectAction.Change) with { Live = before, LiveDigest = ObjectRestorePlan.DigestOf(before) };
    }

    private static PlannedObject Of(JsonObject document, ObjectAction action) =>
        new(KubeObjectKey.Of(document), KubeObjectKey.Of(document), action, null, [], ObjectRestorePlan.DigestOf(document), null) { Document = document };

    private static JsonObject Map(string name, string value) =>
        Json($$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}","namespace":"shop"},"data":{"key":"{{value}}"} }""");

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
