namespace Hexabase.DrConsole.Benchmarks;

/// <summary>
/// Runs the phases, contender by contender within each, so that whatever else the machine does hits all of them alike; each
/// round begins with another contender.
/// </summary>
internal sealed class BenchmarkRun(BenchmarkPlan plan, ResultTable table)
{
    private const int QuickRuns = 3;
    private const int MorePoints = 8;

    public async Task RunAsync(CancellationToken ct)
    {
        Directory.CreateDirectory(plan.Work);
        if (plan.Has(Phases.Start))
        {
            await MeasureStartAsync(ct);
        }

        foreach (var name in plan.Trees.Where(_ => plan.Phases.Except([Phases.Start, Phases.Index]).Any()))
        {
            await MeasureTreeAsync(name, ct);
        }

        if (plan.Has(Phases.Index) && plan.Contenders.Contains("drconsole"))
        {
            await SyntheticIndex.MeasureAsync(Path.Combine(plan.Work, "index"), plan, table, ct);
        }
    }

    private async Task MeasureStartAsync(CancellationToken ct)
    {
        var contenders = Contenders();
        foreach (var contender in contenders)
        {
            await contender.ResetAsync(ct);
        }

        for (var round = 0; round < plan.Repetitions * QuickRuns; round++)
        {
            foreach (var contender in contenders)
            {
                table.Add("empty repository", Phases.Start, contender.Name, await ProcessMeter.RunAsync(contender.List(), ct));
            }
        }
    }

    private async Task MeasureTreeAsync(string name, CancellationToken ct)
    {
        Say($"{name}: making the tree");
        for (var round = 0; round < plan.Repetitions; round++)
        {
            var tree = await new SampleTrees(plan.Work, plan.Scale).MakeAsync(name, ct);
            // A file whose change is younger than this second could change again unnoticed; every program rereads those.
            await Task.Delay(TimeSpan.FromSeconds(3), ct);
            var size = TreeFacts.Of(tree);
            table.Describe(name, size);
            await MeasureFloorAsync(name, tree, ct);
            await MeasureRoundAsync(name, tree, Rotated(round), round, ct);
        }
    }

    private async Task MeasureRoundAsync(string name, string tree, List<Contender> contenders, int round, CancellationToken ct)
    {
        foreach (var contender in contenders)
        {
            await contender.ResetAsync(ct);
            await MeasureAsync(name, Phases.First, contender, contender.Backup(plan.Work, name), ct);
            table.AddStored(name, contender.Name, contender.StoredBytes());
        }

        for (var i = 0; i < QuickRuns && plan.Has(Phases.Rescan); i++)
        {
            foreach (var contender in contenders)
            {
                await MeasureAsync(name, Phases.Rescan, contender, contender.Backup(plan.Work, name), ct);
            }
        }

        foreach (var contender in contenders.Where(_ => plan.Has(Phases.Restore)))
        {
            await MeasureRestoreAsync(name, tree, contender, compare: round == 0, ct);
        }

        foreach (var contender in contenders.Where(_ => plan.Has(Phases.Check)))
        {
            await MeasureAsync(name, Phases.Check, contender, contender.Check(), ct);
        }

        if (plan.Has(Phases.Changed))
        {
            SampleTrees.ChangeOnePercent(tree, round + 1);
            await Task.Delay(TimeSpan.FromSeconds(3), ct);
            foreach (var contender in contenders)
            {
                await MeasureAsync(name, Phases.Changed, contender, contender.Backup(plan.Work, name), ct);
            }
        }

        if (plan.Has(Phases.Prune))
        {
            await MeasurePruneAsync(name, tree, contenders, round, ct);
        }
    }

    /// <summary>
    /// More restore points, each after a hundredth of the bytes changed; then the older half of all goes. What is left must
    /// restore.
    /// </summary>
    private async Task MeasurePruneAsync(string name, string tree, List<Contender> contenders, int round, CancellationToken ct)
    {
        for (var i = 1; i <= MorePoints; i++)
        {
            SampleTrees.ChangeOnePercent(tree, (100 * (round + 1)) + i);
            await Task.Delay(TimeSpan.FromSeconds(3), ct);
            foreach (var contender in contenders)
            {
                await ProcessMeter.RunAsync(contender.Backup(plan.Work, name), ct);
            }
        }

        var points = 1 + (plan.Has(Phases.Rescan) ? QuickRuns : 0) + (plan.Has(Phases.Changed) ? 1 : 0) + MorePoints;
        foreach (var contender in contenders)
        {
            await MeasureAsync(name, Phases.Prune, contender, contender.Prune(points / 2), ct);
            table.AddStored($"{name}, pruned", contender.Name, contender.StoredBytes());
        }

        foreach (var contender in contenders.Where(_ => round == 0))
        {
            await RestoreAsync(name, tree, contender, compare: true, ProcessMeter.RunAsync, ct);
        }
    }

    private async Task MeasureFloorAsync(string name, string tree, CancellationToken ct)
    {
        // Reads all of it once, so that everybody finds it in the page cache.
        var cat = Invocation.Shell("find . -type f -print0 | xargs -0 cat > /dev/null", tree);
        await ProcessMeter.RunAsync(cat, ct);
        if (plan.Has(Phases.Floor))
        {
            table.Add(name, "cat", "floor", await ProcessMeter.RunAsync(cat, ct));
            var packed = Path.Combine(plan.Work, "floor.tar.zst");
            await SettleAsync(ct);
            table.Add(name, "tar | zstd -3 -T2", "floor", await ProcessMeter.RunAsync(Invocation.Shell($"tar -cSf - {name} | zstd -q -3 -T2 -f -o {packed}", plan.Work), ct));
            table.AddStored(name, "floor", new FileInfo(packed).Length);
            File.Delete(packed);
        }
    }

    private Task MeasureRestoreAsync(string name, string tree, Contender contender, bool compare, CancellationToken ct) =>
        RestoreAsync(name, tree, contender, compare, (invocation, token) => MeasureAsync(name, Phases.Restore, contender, invocation, token), ct);

    private async Task RestoreAsync(
        string name, string tree, Contender contender, bool compare, Func<Invocation, CancellationToken, Task> restore, CancellationToken ct)
    {
        var target = Path.Combine(plan.Work, "restored");
        await ProcessMeter.RunAsync(Invocation.Shell($"rm -rf '{target}' && mkdir '{target}'", "/"), ct);
        await restore(contender.Restore(target), ct);
        if (compare && TreeFacts.Difference(tree, contender.RestoredTree(target, name)) is { } difference)
        {
            throw new InvalidOperationException($"{contender.Name} did not restore {name} as it was: {difference}");
        }

        await ProcessMeter.RunAsync(Invocation.Shell($"rm -rf '{target}'", "/"), ct);
    }

    /// <summary>Runs a phase; one that was not asked for is run all the same, since the next ones need what it makes.</summary>
    private async Task MeasureAsync(string name, string phase, Contender contender, Invocation invocation, CancellationToken ct)
    {
        await SettleAsync(ct);
        var measured = await ProcessMeter.RunAsync(invocation, ct);
        Say($"{name}: {phase,-8} {contender.Name,-10} {measured.Seconds,7:0.00} s  {measured.CpuSeconds,7:0.00} CPU s  {measured.PeakBytes >> 20,5} MB");
        if (plan.Has(phase))
        {
            table.Add(name, phase, contender.Name, measured);
        }
    }

    /// <summary>What one program left to be written to the disk must not slow the next one.</summary>
    private static Task<Measured> SettleAsync(CancellationToken ct) => ProcessMeter.RunAsync(new Invocation("sync", [], "/"), ct);

    private List<Contender> Contenders()
    {
        Contender[] all = [new DrConsole(plan.Work, plan.Program), new Restic(plan.Work), new Borg(plan.Work)];
        return [.. all.Where(contender => plan.Contenders.Contains(contender.Name))];
    }

    private List<Contender> Rotated(int by)
    {
        var all = Contenders();
        return [.. all.Skip(by % all.Count), .. all.Take(by % all.Count)];
    }

    private static void Say(string line) => Console.Error.WriteLine(line);
}
