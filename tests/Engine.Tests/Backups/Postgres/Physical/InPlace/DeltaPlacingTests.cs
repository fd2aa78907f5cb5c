using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical.InPlace;

/// <summary>A delta restore's files, and the way back, with the process ended before each single change. No server is needed for that.</summary>
public sealed class DeltaPlacingTests : IAsyncDisposable
{
    private static readonly string[] s_made = ["backup_label", "pg_wal/000000010000000000000010"];
    private readonly TemporaryFolder _folder = new();
    private readonly FileSystemStore _store;
    private readonly string _data;
    private BackupRepository _repository = null!;
    private Manifest _manifest = null!;
    private ClusterFacts _facts = null!;

    public DeltaPlacingTests()
    {
        _store = new FileSystemStore(_folder.Combine("store"));
        _data = _folder.Combine("data");
    }

    public async ValueTask DisposeAsync()
    {
        await _repository.DisposeAsync();
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Right_files_are_not_touched_and_what_differs_is_aside_by_content_alone()
    {
        await PrepareAsync();
        var kept = Inode("base/1/112");

        var items = await Placing("R-1").CompareAsync(null, Ct);
        await Placing("R-1").PlaceAsync(null, Ct);

        Assert.Equal(["PG_VERSION", "base/1/112", "base/1/2619", "pg_xact/0000"], Paths(TreeItemState.Right));
        Assert.Equal(["base/1/113", "global/pg_control", "pg_wal"], Paths(TreeItemState.Wrong));
        Assert.Equal(["base/5", "base/5/1"], Paths(TreeItemState.Missing));
        Assert.Equal(["base/6", "postmaster.pid"], Paths(TreeItemState.Extra));
        Assert.Equal(kept, Inode("base/1/112"));
        Assert.Equal(Expected(), Listing(_data));
        // Same size, same time, other bytes: the old ones are aside, where they belong.
        Assert.Equal(Noise(40_000, 99), File.ReadAllBytes(_folder.Combine("data.aside-R-1", "files", "base", "1", "113")));
        Assert.Equal("the old cluster's own", File.ReadAllText(Path.Combine(_data, "postgresql.conf")));

        IEnumerable<string> Paths(TreeItemState state) => items.Where(item => item.State == state).Select(item => item.Path).Order(StringComparer.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Killed_before_any_change_it_is_finished_or_undone(bool isFinished)
    {
        await PrepareAsync();
        var before = Listing(_data);
        var name = 0;
        for (var survived = 0; ; survived++)
        {
            var placing = Placing($"R-{++name}", survived);
            var isKilled = await IsKilledAsync(() => placing.PlaceAsync(null, Ct));
            if (isFinished)
            {
                await Placing($"R-{name}").PlaceAsync(null, Ct);
                Assert.Equal(Expected(), Listing(_data));
            }

            Assert.Equal(survived > 0 || isFinished, await Placing($"R-{name}").UndoAsync(null, Ct));
            Assert.Equal(before, Listing(_data));
            Assert.False(Directory.Exists(_folder.Combine($"data.aside-R-{name}")));
            if (!isKilled)
            {
                Assert.InRange(survived, 8, 40);
                return;
            }
        }
    }

    [Fact]
    public async Task Links_of_the_restore_point_are_never_written_through_however_equal_they_are()
    {
        // As restore points were before links were left out: the WAL of the living cluster lies behind one.
        await PrepareAsync(withLinks: true);
        var (before, living) = (Listing(_data), Listing(_folder.Combine("elsewhere")));

        await Placing("R-1").PlaceAsync(null, Ct);

        Assert.Equal(Expected(), Listing(_data));
        Assert.Equal(living, Listing(_folder.Combine("elsewhere")));
        Assert.True(await Placing("R-1").UndoAsync(null, Ct));
        Assert.Equal(before, Listing(_data));

        var fresh = _folder.Combine("fresh");
        await new ClusterUnpack(_repository, _manifest, _facts).WriteAsync(fresh, _folder.Combine("none"), ServerUser.ForPostgres(), null, Ct);

        Assert.True(File.Exists(Path.Combine(fresh, s_made[1])));
        Assert.DoesNotContain(Listing(fresh), line => line.Contains("->", StringComparison.Ordinal));
        Assert.Equal(living, Listing(_folder.Combine("elsewhere")));
    }

    [Fact]
    public async Task Undo_killed_before_any_change_is_finished_also_after_a_server_wrote()
    {
        await PrepareAsync();
        var before = Listing(_data);
        for (var survived = 0; ; survived++)
        {
            var run = $"R-{survived}";
            await Placing(run).PlaceAsync(null, Ct);
            Placing(run).BeforeReplay();
            // What a server does: it changes a file that was kept, adds some, and removes one.
            File.WriteAllBytes(Path.Combine(_data, "base/1/112"), Noise(30_000, 7));
            File.Delete(Path.Combine(_data, "pg_xact/0000"));
            Directory.CreateDirectory(Path.Combine(_data, "base/77"));
            File.WriteAllText(Path.Combine(_data, "base/77/1"), "a new database");
            File.Delete(Path.Combine(_data, "backup_label"));

            var isKilled = await IsKilledAsync(() => Placing(run, survived).UndoAsync(null, Ct));
            Assert.Equal(isKilled, await Placing(run).UndoAsync(null, Ct));

            Assert.Equal(before, Listing(_data));
            Assert.Equal("a new database", File.ReadAllText(_folder.Combine($"data.undone-{run}", "base", "77", "1")));
            if (!isKilled)
            {
                Assert.InRange(survived, 8, 40);
                return;
            }
        }
    }

    [Fact]
    public async Task Restore_done_again_after_its_server_wrote_has_the_restore_point_and_nothing_else()
    {
        await PrepareAsync();
        var before = Listing(_data);
        await Placing("R-1").PlaceAsync(null, Ct);
        Placing("R-1").BeforeReplay();
        File.WriteAllBytes(Path.Combine(_data, "base/1/112"), Noise(30_000, 7));
        File.WriteAllText(Path.Combine(_data, "base/1/9999"), "made while replaying");

        await Placing("R-1").PlaceAsync(null, Ct);

        Assert.Equal(Expected(), Listing(_data));
        Assert.True(await Placing("R-1").UndoAsync(null, Ct));
        Assert.Equal(before, Listing(_data));
    }

    [Fact]
    public async Task Directories_that_are_exchanged_are_one_or_the_other_wherever_it_is_killed()
    {
        await PrepareAsync();
        var before = Listing(_data);
        for (var survived = 0; ; survived++)
        {
            var order = new InPlaceOrder(_repository, _manifest, new PgDataTarget(_data), InPlaceForm.Aside, $"R-{survived}");
            var isKilled = await IsKilledAsync(() => PublishAsync(order, survived));
            if (isKilled)
            {
                Assert.Equal(survived > 0, Restore(null).UndoAside(order));
                Assert.Equal(before, Listing(_data));
                await PublishAsync(order, null);
            }

            Assert.Equal("recovered", File.ReadAllText(Path.Combine(_data, "PG_VERSION")));
            Assert.Equal("the old cluster's own", File.ReadAllText(Path.Combine(_data, "postgresql.conf")));
            Assert.Equal(before, Listing(order.AsidePath));
            for (var undone = 0; await IsKilledAsync(() => Task.FromResult(Restore(undone).UndoAside(order))); undone++)
            {
                Assert.True(Directory.Exists(order.AsidePath));
            }

            Assert.Equal(before, Listing(_data));
            if (!isKilled)
            {
                Assert.Equal(2, survived);
                return;
            }
        }

        Task PublishAsync(InPlaceOrder order, int? survives)
        {
            Write("recovered", "PG_VERSION", "recovered"u8.ToArray());
            Write("recovered", "postgresql.conf", "the restore point's"u8.ToArray());
            Restore(survives).PublishAside(order, _facts, _folder.Combine("recovered"), _folder.Combine("none"));
            return Task.CompletedTask;
        }
    }

    private static InPlaceRestore Restore(int? survives) => new(new ProcessRegistry("/nowhere"), TimeProvider.System) { OnStep = Killing(survives) };

    private static Action<string> Killing(int? survives) => step =>
    {
        if (survives is not null && survives-- == 0)
        {
            throw new InvalidOperationException($"killed before {step}");
        }
    };

    private DeltaPlacing Placing(string run, int? survives = null)
    {
        var order = new InPlaceOrder(_repository, _manifest, new PgDataTarget(_data), InPlaceForm.Delta, run);
        return new DeltaPlacing(order, _facts, TimeProvider.System)
        {
            OnStep = Killing(survives),
        };
    }

    private static async Task<bool> IsKilledAsync(Func<Task> work)
    {
        try
        {
            await work();
            return false;
        }
        catch (InvalidOperationException fault) when (fault.Message.StartsWith("killed", StringComparison.Ordinal))
        {
            return true;
        }
    }

    /// <summary>A cluster's files in small, backed up, and then another state of them in the directory.</summary>
    private async Task PrepareAsync(bool withLinks = false)
    {
        Write("source", "PG_VERSION", "15\n"u8.ToArray());
        Write("source", "base/1/112", Noise(30_000, 1));
        Write("source", "base/1/113", Noise(40_000, 2));
        Write("source", "base/1/2619", Noise(600_000, 3));
        Write("source", "base/5/1", Noise(100, 4));
        Write("source", "pg_xact/0000", Noise(8192, 5));
        Write("source", "postgresql.conf", "the restore point's"u8.ToArray());
        Write("source", "global/pg_control", Noise(8192, 6));
        Write("elsewhere", "000000010000000000000001", Noise(100, 12));
        Write("elsewhere", "000000010000000000000010", Noise(100, 13));
        if (withLinks)
        {
            Directory.CreateSymbolicLink(_folder.Combine("source", "pg_wal"), _folder.Combine("elsewhere"));
            Directory.CreateSymbolicLink(_folder.Combine("source", "base", "log"), _folder.Combine("elsewhere"));
        }
        else
        {
            Directory.CreateDirectory(_folder.Combine("source", "pg_wal"));
        }

        _repository = await InitializeAsync(_store);
        await using (var session = await _repository.BeginAsync(Describe("cluster"), Ct))
        {
            await session.WriteTreeAsync("pgdata", [_folder.Combine("source")], new TreeOptions(), null, Ct);
            await session.WriteStreamAsync("backup_label", "test", new MemoryStream("START WAL"u8.ToArray()), null, Ct);
            await session.WriteStreamAsync("base.wal", "WAL", new MemoryStream(Noise(5000, 8)), null, Ct);
            _manifest = await session.CommitAsync(null, null, Ct);
        }

        if (withLinks)
        {
            // What is expected of a restore.
            File.Delete(_folder.Combine("source", "pg_wal"));
            File.Delete(_folder.Combine("source", "base", "log"));
            Directory.CreateDirectory(_folder.Combine("source", "pg_wal"));
        }

        foreach (var file in Directory.EnumerateFiles(_folder.Combine("source"), "*", SearchOption.AllDirectories))
        {
            Write("data", Path.GetRelativePath(_folder.Combine("source"), file), File.ReadAllBytes(file));
        }

        var time = File.GetLastWriteTimeUtc(Path.Combine(_data, "base/1/113"));
        Write("data", "base/1/113", Noise(40_000, 99));
        File.SetLastWriteTimeUtc(Path.Combine(_data, "base/1/113"), time);
        Directory.Delete(Path.Combine(_data, "base/5"), recursive: true);
        Write("data", "base/6/1", Noise(100, 10));
        Write("data", "base/6/deeper/2", Noise(100, 11));
        Write("data", "postgresql.conf", "the old cluster's own"u8.ToArray());
        Write("data", "postmaster.pid", "1\n"u8.ToArray());
        Directory.CreateSymbolicLink(Path.Combine(_data, "pg_wal"), _folder.Combine("elsewhere"));
        _facts = Facts();
    }

    private void Write(string root, string path, byte[] content) => _folder.Write($"{root}/{path}", content);

    private ulong Inode(string path) => Engine.Repository.Trees.Posix.Stat(Engine.Repository.Trees.Posix.ToPath(Path.Combine(_data, path))).Inode;

    private List<string> Expected()
    {
        var expected = Listing(_folder.Combine("source")).Where(line => !line.StartsWith("postgresql.conf", StringComparison.Ordinal)).ToList();
        expected.AddRange(Listing(_data).Where(line => line.StartsWith("postgresql.conf", StringComparison.Ordinal) || s_made.Any(name => line.StartsWith(name, StringComparison.Ordinal))));
        expected.Add("pg_wal/archive_status/");
        expected.AddRange(ClusterFiles.MadeAnew.Where(name => name != "pg_wal").Select(name => name + "/"));
        Assert.Equal(s_made.Length, expected.Count(line => s_made.Any(name => line.StartsWith(name, StringComparison.Ordinal))));
        return [.. expected.Order(StringComparer.Ordinal)];
    }

    /// <summary>Every item below a directory with its content's digest or its link's target.</summary>
    private static List<string> Listing(string root)
    {
        var lines = new List<string>();
        Add(root);
        return [.. lines.Order(StringComparer.Ordinal)];

        void Add(string directory)
        {
            foreach (var item in new DirectoryInfo(directory).EnumerateFileSystemInfos())
            {
                var name = Path.GetRelativePath(root, item.FullName);
                if (item.LinkTarget is { } target)
                {
                    lines.Add($"{name} -> {target}");
                }
                else if (item is FileInfo)
                {
                    lines.Add($"{name} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(item.FullName)))[..8]}");
                }
                else
                {
                    lines.Add(name + "/");
                    Add(item.FullName);
                }
            }
        }
    }

    private static ClusterFacts Facts() => new()
    {
        Version = ClusterFacts.CurrentVersion,
        ServerVersion = "15.0",
        ServerMajor = 15,
        SystemIdentifier = "1",
        WalSegmentBytes = 1 << 20,
        Timeline = 1,
        HasChecksums = false,
        Superuser = "postgres",
        Tablespaces = [],
        Settings = new Dictionary<string, string>(),
        Route = "stream",
        FromStandby = false,
        StartLsn = "0/1000000",
        StopLsn = "0/1000100",
        WalStartLsn = "0/1000000",
        WalEndLsn = "0/1000100",
        RestorePointName = null,
        MovingTables = [],
        DamagedPages = [],
        ConfigurationFiles = [],
    };
}
