using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>The console is killed while a volume is frozen, and while one is restored in place.</summary>
public sealed class VolumeCrashTests(PostgresLab lab, ConsoleSeed seed)
{
    private const string Uploads = "uploads";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_while_frozen_and_while_restoring_it_thaws_and_finishes_at_the_next_start()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var (volume, mark, configuration) = (estate.Combine("volume"), estate.Combine("frozen"), await ConfigureAsync(estate));
        for (var i = 0; i < 2000; i++)
        {
            Write(volume, i, $"content {i}");
        }

        // Its first freeze takes for ever.
        await using (var first = await ConsoleProcess.ServeAsync(configuration))
        {
            (await ConsoleProcess.RunAsync(configuration, "backup", Uploads, "--no-wait")).AssertDone();
            await Eventually.UntilAsync(() => File.Exists(mark), mark, Ct);
            await first.KillAsync();
        }

        Assert.True(File.Exists(mark));
        // And what a process that died left on record of a snapshot, before it had made the first object.
        var left = estate.Combine("data/snapshots/left.json");
        Directory.CreateDirectory(Path.GetDirectoryName(left)!);
        await File.WriteAllTextAsync(left, """
            { "source": "left", "kubeconfig": "/no/longer/there", "namespace": "shop", "name": "drconsole-0", "timeoutSeconds": 1, "owner": { "pid": 2147483647, "startTicks": 1, "bootId": "an earlier boot" }, "recordedAt": "2026-01-02T03:04:05Z" }
            """, Ct);
        string point;
        await using (var second = await ConsoleProcess.ServeAsync(configuration))
        {
            await using var catalog = estate.OpenCatalog();
            Assert.Contains("volume.thawed", await ActionsAsync(catalog));
            await Eventually.UntilAsync(() => !File.Exists(left), "the end of " + left, Ct);
            await Eventually.UntilAsync(
                async () => (await new RunStore(catalog).ListAsync(Uploads, RunKinds.Backup, null, 1, Ct))[0] is { State: RunState.Completed }, () => "the backup", Ct);
            point = (await new RunStore(catalog).ListAsync(Uploads, RunKinds.Backup, null, 1, Ct))[0].RestorePoint!;
            Assert.False(File.Exists(mark));
            Assert.Equal(["volume.frozen", "volume.thawed"], (await ActionsAsync(catalog)).TakeLast(2));

            for (var i = 0; i < 2000; i++)
            {
                Write(volume, i, "encrypted by somebody");
            }

            var place = $"dir:{volume}?inPlace=true&verify=true";
            (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", place, "--no-wait", "--confirm", await HashAsync(configuration, point, place))).AssertDone();
            await Eventually.UntilAsync(
                () => Directory.EnumerateDirectories(volume, ".drconsole-before-*").Any(folder => File.Exists(Path.Combine(folder, "journal"))), "the journal", Ct);
            await second.KillAsync();
        }

        await using var third = await ConsoleProcess.ServeAsync(configuration);
        await using var after = estate.OpenCatalog();
        await Eventually.UntilAsync(
            async () =>
            {
                var restore = (await new RunStore(after).ListAsync(Uploads, RunKinds.Restore, null, 1, Ct))[0];
                Assert.True(restore.IsOpen || restore.State == RunState.Completed, restore.ErrorJson);
                return restore.State == RunState.Completed;
            },
            () => "the restore", Ct);
        Assert.All(Enumerable.Range(0, 2000), i => Assert.Equal($"content {i}", File.ReadAllText(FileOf(volume, i))));
        Assert.False(Directory.Exists(Path.Combine(volume, ".drconsole-partial")));
        var undo = $"dir:{volume}?undo=true";
        (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", undo, "--confirm", await HashAsync(configuration, point, undo))).AssertDone();
        Assert.All(Enumerable.Range(0, 2000), i => Assert.Equal("encrypted by somebody", File.ReadAllText(FileOf(volume, i))));
        Assert.Equal(0, (await third.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Restore_over_what_lives_ends_with_exit_code_2_until_its_plan_is_confirmed()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var (volume, configuration) = (estate.Combine("volume"), await ConfigureAsync(estate));
        // This test is not about the freeze.
        await File.WriteAllTextAsync(estate.Combine("once"), "", Ct);
        Write(volume, 1, "content");
        var point = (await ConsoleProcess.RunAsync(configuration, "backup", Uploads, "--json")).AssertDone().Json.GetProperty("restorePointId").GetString()!;
        Write(volume, 1, "newer, and longer");
        var place = $"dir:{volume}?inPlace=true";

        var unconfirmed = await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", place);
        Assert.Equal((2, ""), (unconfirmed.Code, unconfirmed.Output));
        Assert.Contains("note: ~ dir-1/file-1", unconfirmed.Error, StringComparison.Ordinal);
        var hash = unconfirmed.AssertAsksForHash();
        Assert.Equal(2, (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", place, "--confirm", hash[..11])).Code);
        Assert.Equal(2, (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", place, "--confirm", new string('0', 64))).Code);
        Assert.Equal("newer, and longer", await File.ReadAllTextAsync(FileOf(volume, 1), Ct));

        (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", place, "--confirm", hash[..12])).AssertDone();
        Assert.Equal("content", await File.ReadAllTextAsync(FileOf(volume, 1), Ct));
        (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", $"dir:{estate.Combine("beside")}")).AssertDone();
        Assert.Equal("content", await File.ReadAllTextAsync(FileOf(estate.Combine("beside"), 1), Ct));
    }

    private static async Task<string> HashAsync(string configuration, string point, string target) => (await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", target)).AssertAsksForHash();

    private static Task<string> ConfigureAsync(ConsoleEstate estate)
    {
        var (mark, once) = (estate.Combine("frozen"), estate.Combine("once"));
        return estate.ConfigureSourceAsync(new
        {
            Name = Uploads,
            Kind = "volume",
            Class = "standard",
            Volume = new
            {
                Path = "volume",
                FreezeCommand = new[] { "/bin/sh", "-c", $"touch {mark}; test -e {once} || {{ touch {once}; exec sleep 600; }}" },
                ThawCommand = new[] { "/bin/rm", "-f", mark },
                HookTimeout = "00:10:00",
            },
        });
    }

    private static async Task<IReadOnlyList<string>> ActionsAsync(Npgsql.NpgsqlDataSource catalog)
    {
        var actions = new List<string>();
        await foreach (var one in AuditLog.ReadAsync(catalog, 0, int.MaxValue, Ct))
        {
            if (one.Subject == Uploads && one.Action.StartsWith("volume.", StringComparison.Ordinal))
            {
                actions.Add(one.Action);
            }
        }

        return actions;
    }

    private static string FileOf(string volume, int number) => Path.Combine(volume, $"dir-{number % 20}", $"file-{number}");

    private static void Write(string volume, int number, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(FileOf(volume, number))!);
        File.WriteAllText(FileOf(volume, number), content);
    }
}
