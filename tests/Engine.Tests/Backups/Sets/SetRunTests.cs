using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Sets;

/// <summary>All sources of a workspace are backed up together, and its application never stands still for nothing.</summary>
// A catalog has one set open at a time: those that take one of a workspace with a Redis are not beside these.
[Collection("Redis servers")]
public sealed class SetRunTests(CatalogServer catalog, PostgresLab lab)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Set_holds_the_application_while_its_parts_are_captured_and_measures_their_skew()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5));
        var run = await TakeAsync(rig.Rig);

        var set = Result(run);
        Assert.True(set.IsComplete, run.ErrorJson);
        Assert.Equal(2, set.Parts.Count);
        Assert.Equal((set.Parts.Max(part => part.SnapshotAt)!.Value - set.Parts.Min(part => part.SnapshotAt)!.Value).TotalSeconds, set.SkewSeconds);
        Assert.True(set.HeldToEnd);
        Assert.Equal(["held", "goes on"], rig.Hooks());
        Assert.True(rig.GoesOnAt() >= set.Parts.Max(part => part.SnapshotAt)!.Value);

        var row = Assert.Single(await new SetCatalog(catalog.Pool).ListAsync(rig.Workspace, 10, Ct));
        Assert.Equal((run.Id.Value, true, set.SkewSeconds), (row.RunId, row.IsWhole, row.SkewSeconds));
        Assert.All(row.Parts, part => Assert.True(part is { IsKept: true, ProvenAt: null }));
        Assert.Equal(set.Parts.Max(part => part.SnapshotAt)!.Value, row.MomentAt!.Value, TimeSpan.FromMilliseconds(1));

        // What counts is the newest validation.
        var point = row.Parts[0].RestorePoint!;
        var proven = await ValidateAsync(passed: true, secondsAgo: 60);
        Assert.Equal(proven, await ProvenAtAsync());
        await ValidateAsync(passed: false, secondsAgo: 30);
        Assert.Null(await ProvenAtAsync());

        async Task<DateTimeOffset?> ProvenAtAsync() => (await new SetCatalog(catalog.Pool).FindAsync(run.Id.Value, Ct))!.Parts[0].ProvenAt;

        async Task<DateTimeOffset> ValidateAsync(bool passed, int secondsAgo)
        {
            await using var insert = catalog.Pool.CreateCommand(
                "INSERT INTO validation (restore_point, tier, passed, steps, validated_at) VALUES ($1, 'hot', $2, '[]', now() - make_interval(secs => $3)) RETURNING validated_at");
            insert.Parameters.AddWithValue(point);
            insert.Parameters.AddWithValue(passed);
            insert.Parameters.AddWithValue((double)secondsAgo);
            return new DateTimeOffset((DateTime)(await insert.ExecuteScalarAsync(Ct))!);
        }
    }

    [Fact]
    public async Task Part_that_fails_leaves_a_set_that_says_so()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5), database: "no_such_database");
        var run = await TakeAsync(rig.Rig);

        Assert.Equal(RunState.Completed, run.State);
        var set = Result(run);
        Assert.False(set.IsComplete);
        var missing = Assert.Single(set.Parts, part => part.RestorePoint is null);
        Assert.Contains("no_such_database", missing.Fault, StringComparison.Ordinal);
        Assert.Null(set.SkewSeconds);
        Assert.Equal(["held", "goes on"], rig.Hooks());
        Assert.False((await new SetCatalog(catalog.Pool).FindAsync(run.Id.Value, Ct))!.IsWhole);
    }

    [Fact]
    public async Task Application_that_cannot_be_held_is_let_go_on_and_nothing_is_captured()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5), quiesce: "echo half >> hooks; exit 3");
        var run = await TakeAsync(rig.Rig);

        Assert.Equal(RunState.Failed, run.State);
        Assert.Contains("quiesce-failed", run.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(["half", "goes on"], rig.Hooks());
        Assert.Empty(await rig.Rig.Runs.OfParentAsync(run.Id, RunKinds.Backup, Ct));
    }

    [Fact]
    public async Task Longest_hold_lets_the_application_go_on_before_the_parts_are_there()
    {
        await using var rig = await RigAsync(TimeSpan.FromSeconds(1));
        var run = await TakeAsync(rig.Rig, before: () => Eventually.UntilAsync(() => rig.Hooks().Count == 2, "both hooks", Ct));

        var set = Result(run);
        Assert.True(set.IsComplete, run.ErrorJson);
        Assert.False(set.HeldToEnd);
        Assert.Equal(["held", "goes on"], rig.Hooks());
    }

    [Fact]
    public async Task Backup_that_began_while_the_application_was_brought_to_a_stand_is_a_part_and_not_called_held()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5), quiesce: "echo held >> hooks; while [ ! -e begun ]; do sleep 0.05; done");
        var asked = await rig.Rig.Requests.RequestAsync(RunKinds.RecoverySet, rig.Workspace, null, new SetRequest(rig.Workspace), "tester", null, Ct);
        var taking = rig.Rig.AdvanceAsync(asked.Id);
        await Eventually.UntilAsync(() => taking.IsCompleted || rig.Hooks().Count == 1, "the hook", Ct);

        var scheduled = await rig.Rig.Requests.BackupAsync(rig.Rig.Source.Name, "schedule", Ct);
        rig.Rig.OnHandOver = child => rig.Rig.AdvanceAsync(child);
        await File.WriteAllTextAsync(Path.Combine(Path.GetDirectoryName(rig.HookFile)!, "begun"), "", Ct);
        await rig.Rig.AdvanceAsync(scheduled.Id);

        var set = Result(await taking);
        Assert.True(set.IsComplete);
        Assert.False(set.HeldToEnd);
        Assert.Contains(set.Parts, part => part.BackupRun == scheduled.Id.Value);
    }

    [Fact]
    public async Task Application_held_by_a_process_that_died_goes_on_with_the_next_attempt()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5));
        var asked = await rig.Rig.Requests.RequestAsync(RunKinds.RecoverySet, rig.Workspace, null, new SetRequest(rig.Workspace), "tester", null, Ct);
        await rig.Rig.DieInAsync(asked.Id, "hold the application", () =>
        {
            File.AppendAllText(rig.HookFile, "held\n");
            return Task.CompletedTask;
        });
        rig.Rig.OnHandOver = child => rig.Rig.AdvanceAsync(child);
        var run = await rig.Rig.AdvanceAsync(asked.Id);

        Assert.True(Result(run).IsComplete, run.ErrorJson);
        Assert.Equal(["held", "goes on", "held", "goes on"], rig.Hooks());
        // What of the two holds the parts were captured in is not known.
        Assert.False(Result(run).HeldToEnd);
    }

    [Fact]
    public async Task Application_held_by_a_process_that_died_goes_on_before_open_backups_are_waited_for()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5));
        var asked = await rig.Rig.Requests.RequestAsync(RunKinds.RecoverySet, rig.Workspace, null, new SetRequest(rig.Workspace), "tester", null, Ct);
        await rig.Rig.DieInAsync(asked.Id, "hold the application", () =>
        {
            File.AppendAllText(rig.HookFile, "held\n");
            return Task.CompletedTask;
        });
        var open = await rig.Rig.Requests.BackupAsync(rig.Rig.Source.Name, "tester", Ct);
        rig.Rig.OnHandOver = child => rig.Rig.AdvanceAsync(child);
        var second = rig.Rig.AdvanceAsync(asked.Id);
        await Eventually.UntilAsync(() => rig.Hooks().Count == 2, "both hooks", Ct);

        Assert.Equal(["held", "goes on"], rig.Hooks());
        await rig.Rig.AdvanceAsync(open.Id);
        Assert.True(Result(await second).IsComplete);
        Assert.Equal(["held", "goes on", "held", "goes on"], rig.Hooks());
    }

    [Fact]
    public async Task Cancelled_after_its_process_died_it_lets_the_application_go_on()
    {
        await using var rig = await RigAsync(TimeSpan.FromMinutes(5));
        var asked = await rig.Rig.Requests.RequestAsync(RunKinds.RecoverySet, rig.Workspace, null, new SetRequest(rig.Workspace), "tester", null, Ct);
        await rig.Rig.DieInAsync(asked.Id, "hold the application", () => Task.CompletedTask);
        await rig.Rig.Runs.CancelAsync(asked.Id, "tester", Ct);

        Assert.Equal(RunState.Cancelled, (await rig.Rig.AdvanceAsync(asked.Id)).State);
        Assert.Equal(["goes on"], rig.Hooks());
    }

    private static SetRunResult Result(Run run) => JsonSerializer.Deserialize<SetRunResult>(run.ResultJson ?? throw new InvalidOperationException(run.ErrorJson), JsonSerializerOptions.Web)!;

    /// <summary>Asks for a set and advances it; its parts are advanced as workers do, after <paramref name="before"/>.</summary>
    private static async Task<Run> TakeAsync(BackupRig rig, Func<Task>? before = null)
    {
        var workspace = rig.Source.Workspace;
        var asked = await rig.Requests.RequestAsync(RunKinds.RecoverySet, workspace, null, new SetRequest(workspace), "tester", null, Ct);
        rig.OnHandOver = async child =>
        {
            await (before?.Invoke() ?? Task.CompletedTask);
            await rig.AdvanceAsync(child);
        };
        return await rig.AdvanceAsync(asked.Id);
    }

    private async Task<HeldRig> RigAsync(TimeSpan longestHold, string quiesce = "echo held >> hooks", string? database = null)
    {
        string? file = null;
        var rig = await BackupRig.CreateAsync(catalog, lab, (estate, folder) =>
        {
            file = folder.Combine("hooks");
            var first = estate.Sources[0];
            var second = first with { Name = $"stock-{Guid.NewGuid():n}", Postgres = database is null ? first.Postgres : first.Postgres! with { Database = database } };
            return estate with
            {
                Sources = [first, second],
                Workspaces = [new WorkspaceSettings(first.Workspace, Shell(quiesce), Shell("echo goes on >> hooks"), longestHold, null)],
            };

            string[] Shell(string text) => ["/bin/sh", "-c", $"cd '{Path.GetDirectoryName(file)}'; {text}"];
        });
        return new HeldRig(rig, file!);
    }

    private sealed record HeldRig(BackupRig Rig, string HookFile) : IAsyncDisposable
    {
        public string Workspace => Rig.Source.Workspace;

        public IReadOnlyList<string> Hooks() => File.Exists(HookFile) ? File.ReadAllLines(HookFile) : [];

        public DateTimeOffset GoesOnAt() => File.GetLastWriteTimeUtc(HookFile);

        public ValueTask DisposeAsync() => Rig.DisposeAsync();
    }
}
