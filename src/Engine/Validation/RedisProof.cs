using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>Proves snapshots of Redis.</summary>
internal sealed class RedisProver : IContentProver
{
    /// <inheritdoc/>
    public bool Proves(Manifest manifest) => manifest.Kind == RedisBackup.Kind;

    /// <inheritdoc/>
    public IContentProof Begin(ProofWork work) => new RedisProof(work);
}

/// <summary>
/// Steps four and five for Redis. Four writes the snapshot into a scratch folder, lets redis-check-rdb read it and compares
/// its content with the facts. Five starts a server on it that is kept apart, lets that write down what it holds, and compares
/// this with the facts: what the server understood is what the source held.
/// </summary>
internal sealed class RedisProof(ProofWork work) : IContentProof
{
    private const int ComparisonLimit = 500;
    private static readonly TimeSpan s_loadPatience = TimeSpan.FromMinutes(30);
    private ScratchFolder? _folder;
    private RedisFacts? _facts;
    private double _writeSeconds;

    /// <inheritdoc/>
    public async Task<StepOutcome> CheckStructureAsync(CancellationToken cancellationToken)
    {
        if (!ScratchRedis.IsInstalled)
        {
            return StepOutcome.CannotProve("no redis-server is installed for a scratch server");
        }

        _facts = await RedisBackup.ReadFactsAsync(work.Repository, work.Manifest, cancellationToken);
        _folder = await ScratchFolder.CreateAsync(work.Options.ScratchRoot, work.Options.ProtectedPaths, work.Registry, cancellationToken);
        if (!_folder.Isolation.IsComplete)
        {
            return StepOutcome.CannotProve(_folder.Isolation.Reason ?? "the scratch server cannot be kept apart");
        }

        var began = work.Time.GetTimestamp();
        var path = ScratchRedis.SnapshotIn(_folder);
        LocalFolder.CreatePrivate(_folder.DataFolder, _folder.User);
        await WriteAsync(path, cancellationToken);
        _writeSeconds = work.Time.GetElapsedTime(began).TotalSeconds;
        var check = await ToolProcess.RunAsync(
            new ToolCommand("redis-check-rdb", [path]) { RunAs = _folder.User, Isolation = _folder.Command, Purpose = "redis-check-rdb of a scratch snapshot" }, work.Registry, cancellationToken);
        if (check.ExitCode != 0)
        {
            return IsTooNew(check.Output)
                ? StepOutcome.CannotProve($"the snapshot is of Redis {_facts.ServerVersion} (format {_facts.RdbVersion}), which the installed redis-check-rdb does not read")
                : StepOutcome.Failed($"redis-check-rdb: {Shorten(check.Output + check.ErrorTail)}", [RedisBackup.SnapshotArtifact]);
        }

        var comparison = _facts.Compare(await ReadAsync(path));
        return comparison.AllEqual
            ? StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture,
                $"redis-check-rdb found the snapshot whole, and its {_facts.Keys} keys in {_facts.Databases.Count} databases are those that the facts name"))
            : StepOutcome.Failed($"the snapshot is not what its facts say: {string.Join("; ", comparison.Faults.Take(5).Select(fault => fault.ToText()))}", comparison.Faults.Select(fault => fault.Name));
    }

    /// <inheritdoc/>
    public async Task<StepOutcome> RestoreAsync(CancellationToken cancellationToken)
    {
        var folder = _folder!;
        var isolation = $"user {(folder.Isolation.UserSeparated ? "separated" : "not separated")}, network {(folder.Isolation.NetworkSeparated ? "separated" : "not separated")}";
        if (_facts!.NeedsModules)
        {
            return StepOutcome.CannotProve("the snapshot holds what a module wrote, and a scratch server runs without modules") with { Isolation = isolation };
        }

        work.Log?.Invoke(ValidationSteps.Restorability, "starting a scratch Redis on the snapshot");
        var began = work.Time.GetTimestamp();
        try
        {
            await using var server = await ScratchRedis.StartAsync(folder, s_loadPatience, work.Registry, work.Time, cancellationToken);
            var seconds = _writeSeconds + work.Time.GetElapsedTime(began).TotalSeconds;
            work.Log?.Invoke(ValidationSteps.Restorability, $"loaded after {seconds:0.0} s; comparing what it holds");
            return Judge(_facts.Compare(await ReadAsync(await server.SaveAsync(cancellationToken)))) with { RestoreSeconds = seconds, Isolation = isolation };
        }
        catch (EngineException fault) when (fault.Code == "server-start-failed")
        {
            return (IsTooNew(fault.Message)
                ? StepOutcome.CannotProve($"the snapshot is of Redis {_facts.ServerVersion} (format {_facts.RdbVersion}), which the installed redis-server does not load")
                : StepOutcome.Failed($"a server does not start on the snapshot: {Shorten(fault.Message)}", [RedisBackup.SnapshotArtifact])) with { Isolation = isolation };
        }
    }

    public ValueTask DisposeAsync() => _folder?.DisposeAsync() ?? ValueTask.CompletedTask;

    private StepOutcome Judge(Backups.Postgres.FactsComparison comparison)
    {
        var faults = comparison.Faults.ToList();
        var outcome = comparison.AllEqual
            ? StepOutcome.Passed(string.Create(CultureInfo.InvariantCulture,
                $"restored; {comparison.EqualCount} of {comparison.Results.Count} compared items are equal, with {_facts!.Keys} keys in {_facts.Databases.Count} databases"))
            : StepOutcome.Failed($"the restored content differs: {string.Join("; ", faults.Take(5).Select(fault => fault.ToText()))}", faults.Select(fault => $"{fault.Kind} {fault.Name}"));
        return outcome with { Comparison = comparison.Bounded(ComparisonLimit), ComparedObjects = comparison.Results.Count };
    }

    private async Task WriteAsync(string path, CancellationToken cancellationToken)
    {
        await using (var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            Options = FileOptions.Asynchronous,
        }))
        {
            await work.Repository.ReadStreamAsync(work.Manifest, RedisBackup.SnapshotArtifact, file, work.Progress, cancellationToken);
        }

        LocalFolder.GiveTo(path, _folder!.User);
    }

    /// <summary>On a thread of its own: it reads as fast as the disk gives.</summary>
    private static Task<RdbContent> ReadAsync(string path) => Task.Factory.StartNew(
        () =>
        {
            using var file = File.OpenRead(path);
            return RdbContent.Read(file);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static bool IsTooNew(string text) => text.Contains("Can't handle RDB format version", StringComparison.OrdinalIgnoreCase);

    private static string Shorten(string text)
    {
        const int MaxText = 600;
        var line = string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(8));
        return line.Length > MaxText ? line[..MaxText] : line;
    }
}
