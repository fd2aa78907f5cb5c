using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class TreeBackupTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Tree_metadata_and_content_are_restored_exactly()
    {
        var source = MakeAwkwardTree();
        await using var repository = await InitializeAsync(new CrashStore());
        var manifest = await BackUpTreeAsync(repository, source);
        var target = _folder.Combine("restored");
        var result = await repository.RestoreTreeAsync(manifest, "tree", target, null, Ct);
        Assert.Equal(TreeListing.Of(source), TreeListing.Of(target));
        Assert.Equal(manifest.Artifacts[0].Items, result.Items);
        var sparse = Posix.Stat(Posix.ToPath(Path.Combine(target, "sparse")));
        Assert.Equal(64 * 1024 * 1024, sparse.Size);
        Assert.True(sparse.Blocks * 512 < 4 * 1024 * 1024, "holes must stay holes");
        Assert.Equal(
            Posix.Stat(Posix.ToPath(Path.Combine(target, "first"))).Inode, Posix.Stat(Posix.ToPath(Path.Combine(target, "z-second"))).Inode);
    }

    [Fact]
    public async Task Unchanged_files_are_taken_over_without_reading_and_store_nothing()
    {
        var source = MakeAwkwardTree();
        // The clock runs ahead, since files that changed just before the parent are read again.
        var options = Cheap with { Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddMinutes(1)) };
        await using var repository = await InitializeAsync(new CrashStore(), options);
        var first = await BackUpTreeAsync(repository, source);
        var second = await BackUpTreeAsync(repository, source, first);
        Assert.True(first.StoredBytes > 3_000_000);
        Assert.Equal(0, second.StoredBytes);
        var target = _folder.Combine("restored");
        await repository.RestoreTreeAsync(second, "tree", target, null, Ct);
        Assert.Equal(TreeListing.Of(source), TreeListing.Of(target));
    }

    [Fact]
    public async Task Point_of_another_process_is_restored_by_one_whose_index_is_older()
    {
        var store = new CrashStore();
        await using var writer = await InitializeAsync(store);
        await using var reader = await OpenAsync(store);
        _folder.Write("src/first", Noise(100, 1));
        var first = await BackUpTreeAsync(writer, _folder.Combine("src"));
        await reader.RestoreTreeAsync(first, "tree", _folder.Combine("one"), null, Ct);
        for (var i = 0; i < 20; i++)
        {
            _folder.Write($"src/more/{i}", Noise(200, i + 2));
        }

        var second = await BackUpTreeAsync(writer, _folder.Combine("src"));
        await reader.RestoreTreeAsync(second, "tree", _folder.Combine("two"), null, Ct);
        Assert.Equal(TreeListing.Of(_folder.Combine("src")), TreeListing.Of(_folder.Combine("two")));
    }

    [Fact]
    public async Task Small_files_whose_place_is_not_known_get_their_own_content()
    {
        var store = new CrashStore();
        await using var writer = await InitializeAsync(store);
        await using var reader = await OpenAsync(store);
        await reader.BackupAsync(Noise(50));
        for (var i = 0; i < 5; i++)
        {
            _folder.Write($"src/{i}", Noise(200, i + 2));
        }

        var manifest = await BackUpTreeAsync(writer, _folder.Combine("src"));
        Directory.CreateDirectory(_folder.Combine("out"));
        var files = new List<SmallFile>();
        await foreach (var node in TreeReader.ReadAsync(writer.Parts, manifest.Artifacts[0], Ct))
        {
            if (node.Kind == TreeNodeKind.File)
            {
                files.Add(new SmallFile(node, false, default));
            }
        }

        using var target = new RestoreTarget(_folder.Combine("out"));
        var meter = new ProgressMeter(null, TimeProvider.System, "test");
        using var file = new FileWriter(reader.Parts, target, new RestoredMetadata(target, new TreeWarnings(), false), meter);
        await new FileRanges(reader.Parts, target, file).WriteAsync(files, Ct);
        for (var i = 0; i < 5; i++)
        {
            AssertSame(Noise(200, i + 2), await File.ReadAllBytesAsync(_folder.Combine("out", $"{i}"), Ct));
        }
    }

    [Fact]
    public async Task Changed_and_removed_files_against_the_parent_are_seen()
    {
        var source = MakeAwkwardTree();
        var options = Cheap with { Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddMinutes(1)) };
        await using var repository = await InitializeAsync(new CrashStore(), options);
        var first = await BackUpTreeAsync(repository, source);
        File.WriteAllText(Path.Combine(source, "a", "deep", "text"), "other text");
        File.Delete(Path.Combine(source, "large"));
        File.WriteAllText(Path.Combine(source, "b-new"), "new");
        var second = await BackUpTreeAsync(repository, source, first);
        Assert.InRange(second.StoredBytes, 1, 100_000);
        var target = _folder.Combine("restored");
        await repository.RestoreTreeAsync(second, "tree", target, null, Ct);
        Assert.Equal(TreeListing.Of(source), TreeListing.Of(target));
    }

    [Fact]
    public async Task Unchanged_file_whose_pack_is_gone_is_read_again()
    {
        var source = MakeAwkwardTree();
        var store = new CrashStore();
        var options = Cheap with { Time = new FakeTimeProvider(TimeProvider.System.GetUtcNow().AddMinutes(1)) };
        await using var repository = await InitializeAsync(store, options);
        var first = await BackUpTreeAsync(repository, source);
        foreach (var pack in store.Objects.Keys.Where(key => key.StartsWith("packs/", StringComparison.Ordinal)).ToList())
        {
            store.Remove(pack);
        }

        var second = await BackUpTreeAsync(repository, source, first);
        var target = _folder.Combine("restored");
        await repository.RestoreTreeAsync(second, "tree", target, null, Ct);
        Assert.Equal(TreeListing.Of(source), TreeListing.Of(target));
    }

    [Fact]
    public async Task Several_paths_and_single_files_make_one_tree()
    {
        var one = _folder.Write("x/one.txt", Noise(100));
        var two = _folder.Write("y/dir/two.txt", Noise(3_000_000, 2));
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteTreeAsync("both", [Path.GetDirectoryName(two)!, one], new TreeOptions(), null, Ct);
        await session.WriteTreeAsync("file", [one], new TreeOptions(), null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);
        await repository.RestoreAsync(manifest, manifest.Artifacts, _folder.Combine("out"), null, Ct);
        AssertSame(Noise(100), await File.ReadAllBytesAsync(_folder.Combine("out", "both", "one.txt"), Ct));
        AssertSame(Noise(3_000_000, 2), await File.ReadAllBytesAsync(_folder.Combine("out", "both", "dir", "two.txt"), Ct));
        AssertSame(Noise(100), await File.ReadAllBytesAsync(_folder.Combine("out", "file"), Ct));
    }

    [Fact]
    public async Task Restore_into_a_directory_that_holds_something_is_refused()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var manifest = await BackUpTreeAsync(repository, MakeAwkwardTree());
        _folder.Write("full/mine", Noise(3));
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.RestoreAsync(manifest, manifest.Artifacts, _folder.Combine("full"), null, Ct));
        Assert.Equal((ErrorKind.Conflict, "target-not-empty"), (error.Kind, error.Code));
        Assert.Equal(["mine"], Directory.GetFileSystemEntries(_folder.Combine("full")).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Path_that_does_not_exist_makes_no_restore_point()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(Describe(), Ct);
        var error = await Assert.ThrowsAsync<EngineException>(
            () => session.WriteTreeAsync("tree", [_folder.Combine("nothing")], new TreeOptions(), null, Ct));
        Assert.Equal(ErrorKind.NotFound, error.Kind);
        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Unreadable_file_is_left_out_and_counted()
    {
        // The address space of a process is a regular file that cannot be read at its beginning, even by root.
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(Describe(), Ct);
        var artifact = await session.WriteTreeAsync("mem", ["/proc/self/mem"], new TreeOptions(), null, Ct);
        Assert.Equal((1, 0), (artifact.Unreadable, artifact.Items));
        Assert.Contains("mem", Assert.Single(artifact.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_whose_first_name_vanishes_before_it_is_opened_is_stored_under_its_next()
    {
        var source = _folder.Combine("src");
        _folder.Write("src/a", Noise(10, 1));
        _folder.Write("src/b-first", Noise(1000, 2));
        foreach (var name in new[] { "c-second", "d-third" })
        {
            Posix.MakeHardLink(Posix.ToPath(Path.Combine(source, "b-first")), Posix.ToPath(Path.Combine(source, name)));
        }

        // One reader: while it looks at the file before, the walk goes on to the name that is then removed, and waits.
        await using var repository = await InitializeAsync(new CrashStore(), Cheap with { Workers = 1 });
        await using var session = await repository.BeginAsync(Describe(), Ct);
        var removing = new Removing("a", Path.Combine(source, "b-first"));
        var artifact = await session.WriteTreeAsync("tree", [source], new TreeOptions { Inspector = removing }, null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);

        Assert.True(removing.HasRemoved);
        Assert.Contains(artifact.Warnings, line => line.Contains("b-first", StringComparison.Ordinal) && line.Contains("removed meanwhile", StringComparison.Ordinal));
        var target = _folder.Combine("restored");
        await repository.RestoreTreeAsync(manifest, "tree", target, null, Ct);
        AssertSame(Noise(1000, 2), await File.ReadAllBytesAsync(Path.Combine(target, "c-second"), Ct));
        Assert.Equal(Posix.Stat(Posix.ToPath(Path.Combine(target, "c-second"))).Inode, Posix.Stat(Posix.ToPath(Path.Combine(target, "d-third"))).Inode);
        Assert.False(File.Exists(Path.Combine(target, "b-first")));
    }

    [Fact]
    public async Task Excluded_path_is_left_out_and_named()
    {
        var source = MakeAwkwardTree();
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(Describe(), Ct);
        var artifact = await session.WriteTreeAsync("tree", [source], new TreeOptions { Excluded = [Path.Combine(source, "a")] }, null, Ct);
        Assert.Contains(artifact.Warnings, line => line.Contains("left out", StringComparison.Ordinal));
        var manifest = await session.CommitAsync(null, null, Ct);
        await repository.RestoreTreeAsync(manifest, "tree", _folder.Combine("out"), null, Ct);
        Assert.False(Directory.Exists(_folder.Combine("out", "a")));
        Assert.True(File.Exists(_folder.Combine("out", "large")));
    }

    [Fact]
    public async Task Damaged_chunk_stops_the_restore_and_names_the_pack()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var manifest = await BackUpTreeAsync(repository, MakeAwkwardTree());
        var pack = store.Objects.Where(o => o.Key.StartsWith("packs/", StringComparison.Ordinal)).MaxBy(o => o.Value.Length).Key;
        store.Damage(pack, bytes => { bytes[bytes.Length / 2] ^= 1; return bytes; });
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.RestoreTreeAsync(manifest, "tree", _folder.Combine("out"), null, Ct));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.Equal(pack.Split('/')[^1], error.Context["pack"]);
    }

    private static async Task<Manifest> BackUpTreeAsync(BackupRepository repository, string source, Manifest? parent = null)
    {
        await using var session = await repository.BeginAsync(Describe() with { Parent = parent?.Id }, Ct);
        await session.WriteTreeAsync("tree", [source], new TreeOptions { ParentArtifact = "tree" }, null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }

    private string MakeAwkwardTree()
    {
        var root = _folder.Combine("src");
        _folder.Write("src/a/deep/text", "some text"u8.ToArray());
        _folder.Write("src/a/empty", []);
        _folder.Write("src/a.b", Noise(10, 5));
        _folder.Write("src/large", Noise(3_100_000, 7));
        Directory.CreateDirectory(Path.Combine(root, "empty dir"));
        _folder.Write("src/first", Noise(1000, 9));
        Posix.MakeHardLink(Posix.ToPath(Path.Combine(root, "first")), Posix.ToPath(Path.Combine(root, "z-second")));
        Posix.MakeSymbolicLink("../nowhere at all\0"u8.ToArray(), Posix.ToPath(Path.Combine(root, "link")));
        Posix.MakeNode(Posix.ToPath(Path.Combine(root, "fifo")), 0x1000 | 0x1A4, 0, 0);
        using (var sparse = File.OpenHandle(Path.Combine(root, "sparse"), FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(sparse, Noise(100_000, 3), 20 * 1024 * 1024);
            RandomAccess.Write(sparse, Noise(50_000, 4), 40 * 1024 * 1024);
            RandomAccess.SetLength(sparse, 64 * 1024 * 1024);
        }

        // A name that is no UTF-8, with a file in it.
        var directory = Posix.Join(Posix.ToPath(root), [0xFF, (byte)'x', 0xC3]);
        Posix.MakeDirectory(directory);
        using (var file = Posix.CreateNew(Posix.Join(directory, [0xE9, (byte)'\n'])))
        {
            RandomAccess.Write(file, "latin"u8, 0);
        }

        Posix.SetMode(directory, 0x1C0);
        File.SetUnixFileMode(Path.Combine(root, "a", "empty"), (UnixFileMode)0b111_000_100_001);
        Posix.SetAttribute(Posix.ToPath(Path.Combine(root, "large")), new ExtendedAttribute("user.note"u8.ToArray(), [0, 1, 255]));
        if (Posix.EffectiveUser == 0)
        {
            Posix.SetOwner(Posix.ToPath(Path.Combine(root, "a.b")), 12345, 54321);
            Posix.SetOwner(Posix.ToPath(Path.Combine(root, "link")), 12345, 54321);
        }

        Posix.SetTime(Posix.ToPath(Path.Combine(root, "large")), new FileTime(1_000_000_000, 123_456_789));
        Posix.SetTime(Posix.ToPath(Path.Combine(root, "a")), new FileTime(-5, 999_999_999));
        return root;
    }

    [Fact]
    public void Directory_whose_attributes_cannot_be_read_is_in_the_tree_since_what_is_in_it_is()
    {
        using var folder = new TemporaryFolder();
        folder.Write("there/a", [1]);
        // Found, and then gone or swapped: what a walk finds in its place is stored below this node.
        var item = new WalkedItem("gone"u8.ToArray(), Posix.ToPath(folder.Combine("gone")), Posix.Stat(Posix.ToPath(folder.Combine("there"))));
        var warnings = new TreeWarnings();

        var node = TreeWriter.TryDescribe(item, warnings);

        Assert.Equal(TreeNodeKind.Directory, node?.Kind);
        Assert.Contains("stored without them", Assert.Single(warnings.Lines), StringComparison.Ordinal);
    }

    /// <summary>Removes a file while another is about to be read.</summary>
    private sealed class Removing(string at, string path) : ITreeInspector
    {
        public bool HasRemoved { get; private set; }

        public IFileInspector? Open(string opened)
        {
            if (opened == at && !HasRemoved)
            {
                // The walk is ahead by then; where it is not, it finds the name gone, which is no other end.
                using var never = new ManualResetEventSlim();
                never.Wait(TimeSpan.FromMilliseconds(500));
                File.Delete(path);
                HasRemoved = true;
            }

            return null;
        }

        public void TakenOver(string taken, long bytes, DateTimeOffset modified)
        {
        }
    }
}
