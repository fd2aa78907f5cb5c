namespace Hexabase.DrConsole.Benchmarks;

/// <summary>A backup program with a repository of its own below a folder.</summary>
internal abstract class Contender(string name, string folder)
{
    public string Name { get; } = name;

    /// <summary>Where its repository lies.</summary>
    protected string Folder { get; } = folder;

    /// <summary>Folders whose bytes count as stored.</summary>
    protected virtual string Stored => Path.Combine(Folder, "repository");

    /// <summary>Makes an empty repository.</summary>
    public abstract Invocation Initialize();

    /// <summary>Makes a restore point of a tree, which is named relative to <paramref name="parent"/>.</summary>
    public abstract Invocation Backup(string parent, string tree);

    /// <summary>Restores the newest restore point into an empty folder.</summary>
    public abstract Invocation Restore(string target);

    /// <summary>Where a restored tree lies below the target of <see cref="Restore"/>.</summary>
    public virtual string RestoredTree(string target, string tree) => Path.Combine(target, tree);

    /// <summary>Reads and verifies every stored byte.</summary>
    public abstract Invocation Check();

    /// <summary>Gives up all restore points but the newest ones and frees what only they needed, at once.</summary>
    public abstract Invocation Prune(int keep);

    /// <summary>Lists restore points: what a command costs that does almost nothing.</summary>
    public abstract Invocation List();

    /// <summary>Forgets the repository and makes an empty one.</summary>
    public async Task ResetAsync(CancellationToken ct)
    {
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }

        Directory.CreateDirectory(Folder);
        await File.WriteAllTextAsync(Path.Combine(Folder, "passphrase"), "benchmark\n", ct);
        await ProcessMeter.RunAsync(Initialize(), ct);
    }

    public long StoredBytes() => new DirectoryInfo(Stored).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
}

/// <summary>restic with compression as it comes (zstd, its default level), which is comparable with zstd 3.</summary>
internal sealed class Restic(string folder) : Contender("restic", Path.Combine(folder, "restic"))
{
    public override Invocation Initialize() => Run(Folder, "init", "--repository-version", "2");

    public override Invocation Backup(string parent, string tree) => Run(parent, "backup", "--compression", "auto", tree);

    public override Invocation Restore(string target) => Run(Folder, "restore", "latest", "--target", target);

    public override Invocation Check() => Run(Folder, "check", "--read-data");

    public override Invocation Prune(int keep) => Run(Folder, "forget", "--keep-last", $"{keep}", "--prune");

    public override Invocation List() => Run(Folder, "snapshots");

    private Invocation Run(string folder, params string[] arguments) => new(
        "restic", ["-q", "--repo", Path.Combine(Folder, "repository"), "--password-file", Path.Combine(Folder, "passphrase"), "--cache-dir", Path.Combine(Folder, "cache"), .. arguments],
        folder);
}

/// <summary>Borg 1 with zstd 3 and its BLAKE2 keys, the faster of its modes.</summary>
internal sealed class Borg(string folder) : Contender("borg", Path.Combine(folder, "borg"))
{
    private int _archives;

    public override Invocation Initialize() => Run(Folder, "init", "--encryption", "repokey-blake2", Repository);

    public override Invocation Backup(string parent, string tree) => Run(parent, "create", "--compression", "zstd,3", $"{Repository}::n{++_archives}", tree);

    public override Invocation Restore(string target) => Run(target, "extract", "--sparse", $"{Repository}::n{_archives}");

    public override Invocation Check() => Run(Folder, "check", "--verify-data", Repository);

    public override Invocation Prune(int keep) =>
        Invocation.Shell($"borg prune --keep-last {keep} '{Repository}' && borg compact '{Repository}'", Folder) with { Environment = Variables };

    public override Invocation List() => Run(Folder, "list", Repository);

    private string Repository => Path.Combine(Folder, "repository");

    private Dictionary<string, string> Variables => new()
    {
        ["BORG_PASSPHRASE"] = "benchmark", ["BORG_BASE_DIR"] = Path.Combine(Folder, "base"), ["BORG_RELOCATED_REPO_ACCESS_IS_OK"] = "yes",
    };

    private Invocation Run(string folder, params string[] arguments) => new("borg", arguments, folder) { Environment = Variables };
}

/// <summary>This product, as a user runs it.</summary>
internal sealed class DrConsole(string folder, string program) : Contender("drconsole", Path.Combine(folder, "drconsole"))
{
    public override Invocation Initialize() => Run(Folder, "init");

    public override Invocation Backup(string parent, string tree) => Run(parent, "backup", tree);

    public override Invocation Restore(string target) => Run(Folder, "restore", "latest", "--to", target);

    public override Invocation Check() => Run(Folder, "check", "--level", "L3");

    // Without a grace period, so that what is marked goes in the same run, as it does with the others.
    public override Invocation Prune(int keep) => Run(Folder, "prune", "--keep-last", $"{keep}", "--grace", "00:00:00", "--allow-delete-share", "1");

    public override Invocation List() => Run(Folder, "list");

    private Invocation Run(string folder, params string[] arguments) => new(
        program, ["repository", .. arguments, "--store", $"file://{Path.Combine(Folder, "repository")}", "--key-file", Path.Combine(Folder, "passphrase")], folder);
}
