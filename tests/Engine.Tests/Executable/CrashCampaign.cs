using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What one round of the campaign found; all of its claims have been checked by then.</summary>
/// <param name="Phase">The kind of run that was going on.</param>
/// <param name="At">How long it had been going on when the console was killed.</param>
/// <param name="Step">What that run was doing, by its journal.</param>
/// <param name="Left">What still ran after the kill.</param>
/// <param name="Outcome">How the run ended after the next start.</param>
internal sealed record CrashRound(int Number, string Phase, TimeSpan At, string Step, string Left, string Outcome)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"| {Number} | {Phase} | {At.TotalSeconds:0.00} s | {Step} | {Left} | {Outcome} |");
}

/// <summary>
/// Kills the console (kill -9) at random instants of backups and validations, starts it again, and checks what it promises:
/// no run stays open, every listed restore point is whole and none is half-written, each completed backup made exactly one,
/// nothing of the dead console still runs, its catalog was adopted, and the audit chain holds.
/// </summary>
internal sealed class CrashCampaign(ConsoleEstate estate, int seed) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly Random _random = new(seed);
    private ConsoleProcess? _running;
    private TimeSpan _backup;
    private TimeSpan _validation;

    private ConsoleProcess Console => _running ?? throw new InvalidOperationException("the console has not been started");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Rounds alternate between the two kinds of run.</summary>
    public async Task<IReadOnlyList<CrashRound>> RunAsync(int rounds, Action<string> report)
    {
        _running = await estate.ServeAsync();
        await MeasureAsync();
        var found = new List<CrashRound>();
        for (var number = 1; number <= rounds; number++)
        {
            var round = await RoundAsync(number, number % 2 == 1 ? RunKinds.Backup : RunKinds.Validation);
            found.Add(round);
            report(round.ToString());
        }

        await ProveAllAsync();
        Assert.Equal(0, (await Console.StopAsync()).Code);
        estate.AssertNothingRuns();
        return found;
    }

    public async ValueTask DisposeAsync()
    {
        if (_running is { } console)
        {
            _running = null;
            await console.DisposeAsync();
        }
    }

    /// <summary>Two backups with their validations, undisturbed: how long they take here once everything is warm.</summary>
    private async Task MeasureAsync()
    {
        for (var round = 0; round < 2; round++)
        {
            (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait")).AssertDone();
            var runs = await SettleAsync();
            _backup = Shortest(runs, RunKinds.Backup);
            _validation = Shortest(runs, RunKinds.Validation);
        }

        static TimeSpan Shortest(IReadOnlyList<Run> runs, string kind) =>
            runs.Where(run => run.Kind == kind).Min(run => run.EndedAt!.Value - run.StartedAt!.Value);
    }

    private async Task<CrashRound> RoundAsync(int number, string kind)
    {
        var postmaster = estate.Postmaster()!.Process;
        (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait")).AssertDone();
        var run = await WaitForRunningAsync(kind);
        var watch = Stopwatch.StartNew();
        await Task.Delay((kind == RunKinds.Backup ? _backup : _validation) * _random.NextDouble(), Ct);
        await Console.KillAsync();
        var at = watch.Elapsed;

        var left = estate.Registry.List();
        var alive = left.Where(record => record.Child?.IsAlive() == true)
            .Select(record => record.Name == "catalog" ? "catalog" : record.IsServer ? "scratch server" : record.Purpose.Split(" of ")[0]);
        var (step, before) = await LookAsync(run);
        await DisposeAsync();
        _running = await estate.ServeAsync();
        var runs = await SettleAsync();

        Assert.Equal(postmaster, estate.Postmaster()!.Process);
        AssertNothingIsLeft(left);
        await AssertWholeAsync(runs);
        var ended = runs.Single(one => one.Id == run);
        Assert.True(ended.State == RunState.Completed, $"{run} ended as {ended.State}: {ended.ErrorJson}");
        return new CrashRound(number, kind, at, step, string.Join(", ", alive.Distinct()), $"{before} → {RunStore.Text(ended.State)}, attempt {ended.Attempt}");
    }

    /// <summary>The newest run of that kind once it runs.</summary>
    private async Task<RunId> WaitForRunningAsync(string kind)
    {
        await using var catalog = estate.OpenCatalog();
        var store = new RunStore(catalog);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Patience)
        {
            if (await store.ListAsync(null, kind, RunState.Running, 1, Ct) is [var run, ..])
            {
                return run.Id;
            }

            await Task.Delay(10, Ct);
        }

        throw new TimeoutException($"no {kind} began:\n{Console.Said}");
    }

    /// <summary>The step that was intended and the state of the run, as the dead console left them.</summary>
    private async Task<(string Step, string State)> LookAsync(RunId run)
    {
        await using var catalog = estate.OpenCatalog();
        var store = new RunStore(catalog);
        var found = (await store.FindAsync(run, Ct))!;
        var step = (await store.StepsAsync(run, Ct)).LastOrDefault(one => one.State != "done")?.Name ?? "between steps";
        return (found.IsOpen ? step : "over", RunStore.Text(found.State));
    }

    /// <summary>Waits until nothing is open any more; all runs.</summary>
    private async Task<IReadOnlyList<Run>> SettleAsync()
    {
        await using var catalog = estate.OpenCatalog();
        var store = new RunStore(catalog);
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var runs = await store.ListAsync(null, null, null, 10_000, Ct);
            if (runs.Count > 0 && runs.All(run => !run.IsOpen))
            {
                return runs;
            }

            Assert.True(watch.Elapsed < Patience, $"runs stay open: {string.Join(", ", runs.Where(run => run.IsOpen).Select(run => $"{run.Id} {run.Kind} {run.State}"))}\n{Console.Said}");
            await Task.Delay(100, Ct);
        }
    }

    /// <summary>Nothing that the dead console had on record still runs, but for the catalog's server; its folders are gone.</summary>
    private void AssertNothingIsLeft(IReadOnlyList<ProcessRecord> left)
    {
        foreach (var record in left.Where(record => record.Afterlife == Afterlife.Ended))
        {
            Assert.False(record.Child?.IsAlive() == true, $"{record.Purpose} still runs");
            Assert.False(record.Folder is not null && Directory.Exists(record.Folder), $"{record.Folder} is still there");
            Assert.Null(ProcessRegistry.FindByMark(record.Mark));
        }

        // A recurring job may have begun the next backup; what is on record belongs to the living console only.
        Assert.All(estate.Registry.List(), record => Assert.Equal(Console.Identity, record.Owner));
        var passwords = Directory.EnumerateFiles(estate.Registry.Folder, "pgpass-*").Select(path => Path.GetFileName(path));
        Assert.All(passwords, name => Assert.StartsWith($"pgpass-{Console.Identity.Pid}-", name, StringComparison.Ordinal));
    }

    private async Task AssertWholeAsync(IReadOnlyList<Run> runs)
    {
        await using var catalog = estate.OpenCatalog();
        Assert.True((await AuditLog.VerifyAsync(catalog, Ct)).IsIntact);
        var listed = await new RestorePointCatalog(catalog).ListAsync(null, 10_000, Ct);
        foreach (var tier in new[] { "hot", "warm" })
        {
            await using var repository = await estate.OpenAsync(tier);
            var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
            Assert.True(check.IsSound, string.Join('\n', check.Damaged.Select(damage => $"{damage.Name}: {damage.Reason}")));
            var stored = await repository.ListAsync(Ct);
            Assert.Empty(stored.Damaged);
            // A backup that begins meanwhile may store a point more; every listed one is stored, and none without a run.
            Assert.Empty(listed.Select(point => point.Id).Except(stored.Points.Select(point => point.Id.Value)));
            Assert.Equal(stored.Points.Count, stored.Points.Select(point => point.Properties["run"]).Distinct().Count());
        }

        foreach (var run in runs.Where(run => run.Kind == RunKinds.Backup))
        {
            var made = listed.Count(point => point.RunId == run.Id.Value);
            Assert.True(made == (run.State == RunState.Completed ? 1 : 0), $"{run.Id} ended as {run.State} and made {made} restore points");
        }
    }

    /// <summary>Restores every restore point once, with all its content facts.</summary>
    private async Task ProveAllAsync()
    {
        await using var catalog = estate.OpenCatalog();
        var points = new RestorePointCatalog(catalog);
        foreach (var point in await points.ListAsync(null, 10_000, Ct))
        {
            if (!(await points.ValidationsAsync(point.Id, Ct)).Any(validation => validation.Passed))
            {
                var result = await estate.RunAsync("validate", point.Id, "--json");
                Assert.True(result.Code == 0, result.Output + result.Error);
            }
        }
    }
}
