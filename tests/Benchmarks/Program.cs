using System.CommandLine;
using System.Globalization;
using Hexabase.DrConsole.Benchmarks;

var only = new Option<string>("--only") { Description = "the trees: share, mix", DefaultValueFactory = _ => "share,mix" };
var phases = new Option<string>("--phases") { Description = $"what to measure: {string.Join(", ", Phases.All)}", DefaultValueFactory = _ => string.Join(',', Phases.All) };
var contenders = new Option<string>("--contenders") { Description = "who takes part: drconsole, restic, borg", DefaultValueFactory = _ => "drconsole,restic,borg" };
var repetitions = new Option<int>("--repetitions") { Description = "rounds over all contenders; the table shows medians", DefaultValueFactory = _ => 3 };
var scale = new Option<double>("--scale") { Description = "size of the trees, 1 for the whole", DefaultValueFactory = _ => 1 };
var work = new Option<string>("--work") { Description = "a folder for data and repositories", DefaultValueFactory = _ => "/var/tmp/drconsole-benchmarks" };
var program = new Option<string>("--drconsole") { Description = "the published program", DefaultValueFactory = _ => Path.GetFullPath("out/drconsole") };
var report = new Option<string?>("--report") { Description = "also write the table to this file" };
var root = new RootCommand("Measures drconsole beside restic and Borg on the same trees, in the same run.")
{
    only, phases, contenders, repetitions, scale, work, program, report,
};
root.SetAction(async (parsed, ct) =>
{
    var plan = new BenchmarkPlan(
        Split(parsed.GetValue(only)!), Split(parsed.GetValue(phases)!), Split(parsed.GetValue(contenders)!), parsed.GetValue(repetitions),
        parsed.GetValue(scale), Path.GetFullPath(parsed.GetValue(work)!), Path.GetFullPath(parsed.GetValue(program)!));
    if (plan.Faults().ToList() is { Count: > 0 } faults)
    {
        faults.ForEach(Console.Error.WriteLine);
        return 2;
    }

    CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
    var table = new ResultTable();
    await new BenchmarkRun(plan, table).RunAsync(ct);
    var text = table.Render();
    Console.Write(text);
    if (parsed.GetValue(report) is { } file)
    {
        await File.WriteAllTextAsync(file, text, ct);
    }

    return 0;
});
var clusters = new Command("vcluster", "Measures backup and recovery of a virtual cluster of 10,000 objects beside kubectl, in the same run.") { repetitions, scale, work };
clusters.SetAction(async (parsed, ct) =>
{
    CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
    await VirtualClusterBenchmark.RunAsync(Path.GetFullPath(parsed.GetValue(work)!), parsed.GetValue(repetitions), parsed.GetValue(scale), ct);
    return 0;
});
root.Add(clusters);
var events = new Option<int>("--events") { Description = "how many events are timed", DefaultValueFactory = _ => 60 };
var recoveries = new Option<int>("--recoveries") { Description = "how many recoveries are timed", DefaultValueFactory = _ => 10 };
var live = new Command("live", "Measures how fast events reach pages and hub clients, and how fast recoveries begin and go on.") { events, recoveries, work, program };
live.SetAction(async (parsed, ct) =>
{
    await LiveBenchmark.RunAsync(Path.GetFullPath(parsed.GetValue(work)!), Path.GetFullPath(parsed.GetValue(program)!), parsed.GetValue(events), parsed.GetValue(recoveries), ct);
    return 0;
});
root.Add(live);
return await root.Parse(args).InvokeAsync();

static string[] Split(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
