using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>
/// Two tiers of one repository and real processes on them, with no grace period at all, so that nothing but the writers'
/// sessions keeps prune from deleting what they use. Operations may fail when they are killed; no restore point may.
/// </summary>
internal sealed class RepositoryThrash(int seed) : IDisposable
{
    private const int Workers = 2;
    private const string Life = "00:00:06";
    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(seed);
    private readonly int[] _versions = new int[Workers];
    private readonly string?[] _committed = new string?[Workers];
    private long _deletedPacks;

    public void Dispose() => _folder.Dispose();

    public async Task RunAsync(int rounds, Action<string> report)
    {
        _folder.Write("key", "correct horse battery staple\n"u8.ToArray());
        await using (var hot = OpenStore("hot"))
        await using (var warm = OpenStore("warm"))
        {
            await using var repository = await InitializeAsync(hot);
            await (await BackupRepository.InitializeFromAsync(warm, repository, Ct)).DisposeAsync();
        }

        report("| round | killed | ended | points hot, warm | packs hot, warm | deleted so far |");
        for (var round = 1; round <= rounds; round++)
        {
            report(await RoundAsync(round));
        }

        await SettleAsync();
        Assert.True(_deletedPacks > 0, "no prune ever deleted a pack, so nothing was tried");
    }

    private async Task<string> RoundAsync(int round)
    {
        var running = new List<Operation>();
        for (var worker = 0; worker < Workers; worker++)
        {
            WriteTree(worker, ++_versions[worker]);
            running.Add(Start($"backup {worker}", "backup", _folder.Combine($"src{worker}"), "--store", Url("hot"), "--source", $"w{worker}", "--session-life", Life));
        }

        running.Add(Start("copy", "copy", "--from", Url("hot"), "--to", Url("warm"), "--session-life", Life));
        foreach (var tier in (string[])["hot", "warm"])
        {
            running.Add(Start(
                $"prune {tier}", "prune", "--store", Url(tier), "--keep-last", "2", "--grace", "00:00:00", "--allow-delete-share", "1", "--minimum-use", "0.8",
                "--session-life", Life, "--json"));
        }

        running.Add(Start("check", "check", "--store", Url("hot"), "--level", "L3"));
        var doomed = running.Where(_ => _random.Next(3) == 0).ToList();
        foreach (var victim in doomed.OrderBy(_ => _random.Next()))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(50, 900)), Ct);
            victim.Kill();
        }

        foreach (var operation in running)
        {
            await operation.EndAsync();
            Judge(operation);
        }

        var counts = new List<(int Points, int Packs)>();
        foreach (var tier in (string[])["hot", "warm"])
        {
            counts.Add(await AssertWholeAsync(tier, $"round {round}, seed {seed}, {tier}"));
        }

        var killed = running.Where(operation => operation.WasKilled).Select(operation => operation.Name);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {round} | {string.Join(", ", killed)} | {string.Join(", ", running.Where(o => !o.WasKilled).Select(o => $"{o.Name}: {o.Code}"))} | {counts[0].Points}, {counts[1].Points} | {counts[0].Packs}, {counts[1].Packs} | {_deletedPacks} |");
    }

    /// <summary>What was not killed must have done its work, or say that another one was in its way.</summary>
    private void Judge(Operation operation)
    {
        if (operation.Code == 0 && operation.Name.StartsWith("backup", StringComparison.Ordinal))
        {
            _committed[operation.Name[^1] - '0'] = operation.Output.Trim();
        }

        if (operation.Code == 0 && operation.Name.StartsWith("prune", StringComparison.Ordinal))
        {
            _deletedPacks += JsonDocument.Parse(operation.Output).RootElement.GetProperty("packs").GetProperty("delete").GetProperty("packs").GetInt32();
        }

        var mayFail = operation.WasKilled || (operation.Code == 1 && operation.Error.Contains("no longer safe in the store", StringComparison.Ordinal));
        Assert.True(operation.Code == 0 || mayFail, $"{operation.Name} ended with {operation.Code}\n{operation.Output}\n{operation.Error}");
    }

    /// <summary>Every listed restore point is whole by a full check, and comes back as the files that it was made of.</summary>
    private async Task<(int Points, int Packs)> AssertWholeAsync(string tier, string when)
    {
        await using var store = OpenStore(tier);
        await using var repository = await OpenAsync(store);
        var list = await repository.ListAsync(Ct);
        Assert.True(list.Damaged.Count == 0, $"{when}: {string.Join(", ", list.Damaged)}");
        var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound, $"{when}: {string.Join(", ", check.Damaged)}");
        foreach (var point in list.Points)
        {
            var target = _folder.Combine("restored");
            await repository.RestoreAsync(point, point.Artifacts, target, null, Ct);
            AssertTree(Path.Combine(target, $"src{point.Source[1..]}"), when);
            Directory.Delete(target, recursive: true);
        }

        if (tier == "hot")
        {
            Assert.All(_committed.OfType<string>(), id => Assert.True(list.Points.Any(point => point.Id.Value == id), $"{when}: {id} was committed and is gone"));
        }

        return (list.Points.Count, check.Packs);
    }

    /// <summary>When everybody is dead for long enough, prunes clear away whatever the killed ones left.</summary>
    private async Task SettleAsync()
    {
        foreach (var tier in (string[])["hot", "warm"])
        {
            await using var store = OpenStore(tier);
            await using var repository = await OpenAsync(store, Cheap with { SessionLife = TimeSpan.Parse(Life, CultureInfo.InvariantCulture) });
            while (await store.AnyAsync("sessions/", Ct))
            {
                await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero, MaxDeletedShare = 1 }, null, Ct);
                await Task.Delay(TimeSpan.FromMilliseconds(500), Ct);
            }

            _deletedPacks += (await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero, MaxDeletedShare = 1 }, null, Ct)).Sum(PackAction.Delete).Count;
            Assert.Empty((await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct)).Packs);
            await AssertWholeAsync(tier, $"at the end, seed {seed}, {tier}");
        }
    }

    /// <summary>Files that all versions share, files that change with every other one, and a large one of which a part changes.</summary>
    private void WriteTree(int worker, int version)
    {
        foreach (var (name, content) in Tree(worker, version))
        {
            _folder.Write(Path.Combine($"src{worker}", name), content);
        }
    }

    private static IEnumerable<(string Name, byte[] Content)> Tree(int worker, int version)
    {
        yield return ("version", Encoding.ASCII.GetBytes($"{worker} {version}"));
        for (var i = 0; i < 12; i++)
        {
            yield return ($"dir/{i}", Noise(20_000 + (i * 1000), (worker * 100_000) + (i % 3 == 0 ? 7 : version / (1 + (i % 3))) + (i * 1000)));
        }

        yield return ("large", [.. Noise(1_500_000, worker), .. Noise(1_000_000, 500 + (version / 2)), .. Noise(1_500_000, 900 + version)]);
    }

    private static void AssertTree(string root, string when)
    {
        var parts = File.ReadAllText(Path.Combine(root, "version")).Split(' ');
        foreach (var (name, content) in Tree(int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture)))
        {
            Assert.True(content.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(root, name))), $"{when}: {name} came back otherwise");
        }
    }

    private FileSystemStore OpenStore(string tier) => new(_folder.Combine(tier));

    private string Url(string tier) => $"file://{_folder.Combine(tier)}";

    private Operation Start(string name, params string[] arguments) => new(name, ["repository", .. arguments, "--key-file", _folder.Combine("key")]);

    /// <summary>One process.</summary>
    private sealed class Operation
    {
        private readonly Process _process;
        private readonly Task<string> _output;
        private readonly Task<string> _error;

        public Operation(string name, IReadOnlyList<string> arguments)
        {
            Name = name;
            _process = Process.Start(new ProcessStartInfo(ConsoleProcess.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            _output = _process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            _error = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        }

        public string Name { get; }

        public bool WasKilled { get; private set; }

        public int Code { get; private set; }

        public string Output { get; private set; } = "";

        public string Error { get; private set; } = "";

        /// <summary>Kill -9 of this process, where it still runs.</summary>
        public void Kill()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                WasKilled = true;
            }
        }

        public async Task EndAsync()
        {
            await _process.WaitForExitAsync(CancellationToken.None);
            (Output, Error) = (await _output, await _error);
            Code = _process.ExitCode;
            // One that ended by itself just before the signal was not killed.
            WasKilled &= Code == 128 + 9;
            _process.Dispose();
        }
    }
}
