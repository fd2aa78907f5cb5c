using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Restores into directories that hold something, and of parts of a tree.</summary>
public sealed class DeltaRestoreTests : IAsyncDisposable
{
    private static readonly TreeRestoreOptions Delta = new() { Delta = true };
    private readonly TemporaryFolder _folder = new();
    private readonly string _source;
    private readonly string _target;
    private BackupRepository? _repository;
    private Manifest? _manifest;

    public DeltaRestoreTests()
    {
        _source = _folder.Combine("src");
        _target = _folder.Combine("out");
        _folder.Write("src/dir/deep/text", "some text"u8.ToArray());
        _folder.Write("src/dir/other", Noise(700, 2));
        _folder.Write("src/empty", []);
        _folder.Write("src/large", Noise(9_000_000, 3));
        _folder.Write("src/one", Noise(100, 4));
        Posix.MakeHardLink(Path("src/one"), Path("src/two"));
        Posix.MakeSymbolicLink("one\0"u8.ToArray(), Path("src/link"));
        Posix.MakeNode(Path("src/fifo"), 0x1000 | 0x1A4, 0, 0);
        using var sparse = File.OpenHandle(_folder.Combine("src", "sparse"), FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(sparse, Noise(50_000, 5), 8 * 1024 * 1024);
        RandomAccess.SetLength(sparse, 16 * 1024 * 1024);
    }

    public async ValueTask DisposeAsync()
    {
        if (_repository is not null)
        {
            await _repository.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task Delta_into_nothing_is_a_restore_and_the_second_one_touches_nothing()
    {
        var first = await RestoreAsync(Delta);
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
        Assert.Equal((first.Items, 0), (first.Created, first.Unchanged));
        var before = Inodes();
        var second = await RestoreAsync(Delta);
        Assert.Equal((0, 0, 0, first.Items, 0), (second.Created, second.Replaced, second.Adjusted, second.Unchanged, second.Bytes));
        Assert.Equal(before, Inodes());
    }

    [Fact]
    public async Task Delta_mends_what_differs_leaves_what_is_right_and_what_is_beyond()
    {
        await RestoreAsync(Delta);
        var kept = Posix.Stat(Path("out/dir/other"));
        Spoil();
        var result = await RestoreAsync(Delta);
        Assert.Equal(kept, Posix.Stat(Path("out/dir/other")));
        Assert.Equal("mine", await File.ReadAllTextAsync(_folder.Combine("out", "mine"), Ct));
        Assert.Equal((2, 0), (result.LeftAlone, result.Deleted));
        File.Delete(_folder.Combine("out", "mine"));
        Directory.Delete(_folder.Combine("out", "dir", "beyond"), recursive: true);
        await RestoreAsync(Delta);
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Fact]
    public async Task Delta_with_deletion_makes_the_directory_equal()
    {
        await RestoreAsync(Delta);
        Spoil();
        var result = await RestoreAsync(Delta with { Delete = true });
        Assert.Equal((0, 2), (result.LeftAlone, result.Deleted));
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Fact]
    public async Task Dry_run_tells_the_difference_and_changes_nothing()
    {
        await RestoreAsync(Delta);
        Spoil();
        var before = TreeListing.Of(_target);
        var changes = new List<RestoreChange>();
        var told = await RestoreAsync(Delta with { DryRun = true, Delete = true, OnChange = changes.Add });
        Assert.Equal(before, TreeListing.Of(_target));
        Assert.Contains(new RestoreChange(RestoreChangeKind.Replace, "large"), changes);
        Assert.Contains(new RestoreChange(RestoreChangeKind.Create, "dir/deep/text"), changes);
        Assert.Contains(new RestoreChange(RestoreChangeKind.Metadata, "empty"), changes);
        Assert.Contains(new RestoreChange(RestoreChangeKind.Delete, "dir/beyond"), changes);
        var done = await RestoreAsync(Delta with { Delete = true });
        Assert.Equal((done.Created, done.Replaced, done.Deleted), (told.Created, told.Replaced, told.Deleted));
        Assert.Equal(0, told.Bytes);
    }

    [Fact]
    public async Task Dry_run_against_nothing_creates_nothing()
    {
        var told = await RestoreAsync(Delta with { DryRun = true });
        Assert.Equal(told.Items, told.Created);
        Assert.False(Directory.Exists(_target));
    }

    [Fact]
    public async Task Only_the_changed_chunks_of_a_large_file_are_fetched()
    {
        await RestoreAsync(Delta);
        using (var file = File.OpenHandle(_folder.Combine("out", "large"), FileMode.Open, FileAccess.Write))
        {
            RandomAccess.Write(file, "!!!!"u8, 4_000_000);
        }

        var result = await RestoreAsync(Delta);
        Assert.Equal(1, result.Replaced);
        Assert.InRange(result.Bytes, 1, 8_500_000);
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Theory]
    [InlineData("large", 5_000_000L)]
    [InlineData("one", 50L)]
    [InlineData("sparse", 1_000_000L)]
    public async Task Same_size_and_time_with_other_content_is_found_by_comparing_contents(string name, long offset)
    {
        await RestoreAsync(Delta);
        var path = Path("out/" + name);
        var before = Posix.Stat(path);
        using (var file = File.OpenHandle(_folder.Combine("out", name), FileMode.Open, FileAccess.Write))
        {
            RandomAccess.Write(file, "!"u8, offset);
        }

        Posix.SetTime(path, before.Modified);
        Assert.Equal(0, (await RestoreAsync(Delta)).Replaced);
        var result = await RestoreAsync(Delta with { VerifyContent = true });
        Assert.Equal(name == "one" ? 2 : 1, result.Replaced);
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Fact]
    public async Task Restore_that_was_cut_off_is_completed_by_the_next()
    {
        for (var cutAfter = 1; ; cutAfter++)
        {
            await RestoreAsync(Delta);
            Spoil();
            // What a killed process leaves beside the files that it finished.
            _folder.Write("out/.drconsole-partial/1", Noise(10));
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            var left = cutAfter;
            var isCut = false;
            try
            {
                await RestoreAsync(Delta with { Delete = true, OnChange = _ => { if (--left == 0) { stop.Cancel(); } } }, stop.Token);
            }
            catch (OperationCanceledException)
            {
                isCut = true;
            }

            await RestoreAsync(Delta with { Delete = true });
            Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
            if (!isCut)
            {
                Assert.True(cutAfter > 5, "there must have been instants to cut it off at");
                return;
            }
        }
    }

    [Fact]
    public async Task Symbolic_link_where_a_directory_belongs_leads_nowhere()
    {
        await RestoreAsync(Delta);
        _folder.Write("elsewhere/other", "precious"u8.ToArray());
        Directory.Delete(_folder.Combine("out", "dir"), recursive: true);
        Posix.MakeSymbolicLink(Path("elsewhere"), Path("out/dir"));
        await RestoreAsync(Delta with { Delete = true });
        Assert.Equal("precious", await File.ReadAllTextAsync(_folder.Combine("elsewhere", "other"), Ct));
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Fact]
    public async Task Directory_that_holds_something_is_in_the_way_unless_deletion_is_asked_for()
    {
        await RestoreAsync(Delta);
        File.Delete(_folder.Combine("out", "one"));
        _folder.Write("out/one/precious", Noise(3));
        var result = await RestoreAsync(Delta);
        Assert.Equal(2, result.Blocked);
        Assert.True(File.Exists(_folder.Combine("out", "one", "precious")));
        Assert.Contains(result.Warnings, line => line.Contains("in the way", StringComparison.Ordinal));
        await RestoreAsync(Delta with { Delete = true });
        Assert.Equal(TreeListing.Of(_source), TreeListing.Of(_target));
    }

    [Fact]
    public async Task Directory_and_file_of_a_tree_are_restored_alone()
    {
        await RestoreAsync(new TreeRestoreOptions { Path = "dir" });
        Assert.Equal(TreeListing.Of(System.IO.Path.Combine(_source, "dir")), TreeListing.Of(_target));
        await RestoreAsync(new TreeRestoreOptions { Path = "/dir/deep/text" }, target: _folder.Combine("text"));
        Assert.Equal("some text", await File.ReadAllTextAsync(_folder.Combine("text"), Ct));
        var error = await Assert.ThrowsAsync<EngineException>(() => RestoreAsync(new TreeRestoreOptions { Path = "dir/no" }, target: _folder.Combine("no")));
        Assert.Equal((ErrorKind.NotFound, "tree-path-missing"), (error.Kind, error.Code));
    }

    [Fact]
    public async Task Other_name_of_a_file_outside_of_the_part_is_restored_with_its_content()
    {
        await RestoreAsync(new TreeRestoreOptions { Path = "two" });
        AssertSame(Noise(100, 4), await File.ReadAllBytesAsync(_target, Ct));
    }

    /// <summary>Changes one thing of each sort, and adds a file and a directory.</summary>
    private void Spoil()
    {
        using (var file = File.OpenHandle(_folder.Combine("out", "large"), FileMode.Open, FileAccess.Write))
        {
            RandomAccess.Write(file, "spoilt"u8, 100);
        }

        Directory.Delete(_folder.Combine("out", "dir", "deep"), recursive: true);
        Posix.SetMode(Path("out/empty"), 0x1C0);
        File.Delete(_folder.Combine("out", "link"));
        Posix.MakeSymbolicLink("elsewhere\0"u8.ToArray(), Path("out/link"));
        File.Delete(_folder.Combine("out", "two"));
        _folder.Write("out/two", Noise(100, 4));
        File.Delete(_folder.Combine("out", "fifo"));
        Directory.CreateDirectory(_folder.Combine("out", "fifo"));
        File.WriteAllText(_folder.Combine("out", "mine"), "mine");
        _folder.Write("out/dir/beyond/file", Noise(5));
    }

    private byte[] Path(string path) => Posix.ToPath(_folder.Combine(path.Split('/')));

    private List<ulong> Inodes() =>
        [.. new TreeWalker(new TreeWarnings(), new TreeOptions()).Walk([], Posix.ToPath(_target)).Select(item => item.Stat.Inode)];

    private async Task<TreeRestoreResult> RestoreAsync(TreeRestoreOptions options, CancellationToken? ct = null, string? target = null)
    {
        if (_repository is null)
        {
            _repository = await InitializeAsync(new CrashStore());
            await using var session = await _repository.BeginAsync(Describe(), Ct);
            await session.WriteTreeAsync("tree", [_source], new TreeOptions(), null, Ct);
            _manifest = await session.CommitAsync(null, null, Ct);
        }

        return await _repository.RestoreTreeAsync(_manifest!, "tree", target ?? _target, options, null, ct ?? Ct);
    }
}
