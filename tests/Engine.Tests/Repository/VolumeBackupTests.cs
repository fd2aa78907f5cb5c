using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>What a backup of files leaves out, notices and keeps beside the bytes.</summary>
public sealed class VolumeBackupTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("*.log", "a.log", false, true)]
    [InlineData("*.log", "deep/er/a.log", false, true)]
    [InlineData("*.log", "a.logs", false, false)]
    [InlineData("/top", "top", false, true)]
    [InlineData("/top", "deep/top", false, false)]
    [InlineData("deep/top", "deep/top", false, true)]
    [InlineData("deep/top", "x/deep/top", false, false)]
    [InlineData("cache/", "cache", true, true)]
    [InlineData("cache/", "cache", false, false)]
    [InlineData("cache/", "x/y/cache", true, true)]
    [InlineData("**/tmp", "tmp", true, true)]
    [InlineData("**/tmp", "a/b/tmp", true, true)]
    [InlineData("a/**/z", "a/z", false, true)]
    [InlineData("a/**/z", "a/b/c/z", false, true)]
    [InlineData("a/**/z", "b/z", false, false)]
    [InlineData("a/**", "a", true, false)]
    [InlineData("a/**", "a/b/c", false, true)]
    [InlineData("?.txt", "x.txt", false, true)]
    [InlineData("?.txt", "xy.txt", false, false)]
    [InlineData("[a-c]*", "beta", false, true)]
    [InlineData("[!a-c]*", "beta", false, false)]
    [InlineData("[!a-c]*", "delta", false, true)]
    [InlineData("a*b*c", "a-b-b-c", false, true)]
    [InlineData("a*b*c", "a-c-b", false, false)]
    [InlineData("*", "anything/below", false, true)]
    [InlineData("# comment", "# comment", false, false)]
    [InlineData("\\#real", "#real", false, true)]
    [InlineData("blank  ", "blank", false, true)]
    [InlineData("", "x", false, false)]
    [InlineData("[x", "[x", false, true)]
    public void Pattern_matches_as_git_does(string pattern, string path, bool isDirectory, bool expected) =>
        Assert.Equal(expected, new ExclusionRules([pattern]).Excludes(System.Text.Encoding.UTF8.GetBytes(path), isDirectory));

    [Fact]
    public void Last_pattern_that_matches_decides()
    {
        var rules = new ExclusionRules(["*.log", "!keep.log", "dir/keep.log"]);
        Assert.True(rules.Excludes("a.log"u8, false));
        Assert.False(rules.Excludes("keep.log"u8, false));
        Assert.False(rules.Excludes("x/keep.log"u8, false));
        Assert.True(rules.Excludes("dir/keep.log"u8, false));
    }

    [Fact]
    public void Link_that_takes_the_place_of_a_directory_leads_the_walk_nowhere()
    {
        _folder.Write("outside/secret", Noise(5));
        _folder.Write("src/a", Noise(5));
        _folder.Write("src/d/own", Noise(5));
        _folder.Write("src/z", Noise(5));
        var warnings = new TreeWarnings();
        var names = new List<string>();
        foreach (var item in new TreeWalker(warnings, new TreeOptions()).Walk([], Posix.ToPath(_folder.Combine("src"))))
        {
            names.Add(Posix.Show(item.Path));
            if (names[^1] == "d")
            {
                // It was found as a directory, and is not yet opened.
                Directory.Delete(_folder.Combine("src/d"), recursive: true);
                Directory.CreateSymbolicLink(_folder.Combine("src/d"), _folder.Combine("outside"));
            }
        }

        Assert.Equal(["", "a", "d", "z"], names);
        Assert.Equal(1, warnings.UnreadableCount);
        Assert.Contains("src/d:", Assert.Single(warnings.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void File_is_opened_where_it_was_found_whatever_its_path_leads_to_by_now()
    {
        _folder.Write("outside/file", "of another"u8.ToArray());
        _folder.Write("src/d/file", "of the tenant"u8.ToArray());
        _folder.Write("src/d/zlast", Noise(5));
        var read = "";
        foreach (var item in new TreeWalker(new TreeWarnings(), new TreeOptions()).Walk([], Posix.ToPath(_folder.Combine("src"))))
        {
            if (Posix.Show(item.Path) == "d/file")
            {
                Directory.Move(_folder.Combine("src/d"), _folder.Combine("src/moved"));
                Directory.CreateSymbolicLink(_folder.Combine("src/d"), _folder.Combine("outside"));
                using var file = item.OpenRead();
                var bytes = new byte[100];
                read = System.Text.Encoding.UTF8.GetString(bytes, 0, Posix.Read(file, bytes, 0, item.FullPath));
            }
        }

        Assert.Equal("of the tenant", read);
    }

    [Fact]
    public async Task Patterns_caches_and_their_count_shape_the_tree()
    {
        _folder.Write("src/keep/a.txt", Noise(5));
        _folder.Write("src/keep/a.tmp", Noise(5));
        _folder.Write("src/keep/important.tmp", Noise(5));
        _folder.Write("src/node_modules/x/y", Noise(5));
        _folder.Write("src/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test"u8.ToArray());
        _folder.Write("src/cache/much", Noise(5));
        _folder.Write("src/false/CACHEDIR.TAG", "no signature"u8.ToArray());
        _folder.Write("src/false/much", Noise(5));
        await using var repository = await InitializeAsync(new CrashStore());
        var options = new TreeOptions { Exclude = ["*.tmp", "!important.tmp", "node_modules/"], SkipCacheDirectories = true };
        var manifest = await BackUpAsync(repository, options);
        Assert.Equal(
            [".", "cache", "cache/CACHEDIR.TAG", "false", "false/CACHEDIR.TAG", "false/much", "keep", "keep/a.txt", "keep/important.tmp"],
            await NamesAsync(repository, manifest));
        Assert.Contains(manifest.Artifacts[0].Warnings, line => line.StartsWith("2 items were left out", StringComparison.Ordinal));
        Assert.Contains(manifest.Artifacts[0].Warnings, line => line.Contains("CACHEDIR.TAG", StringComparison.Ordinal));
        Assert.Equal(0, manifest.Artifacts[0].Unreadable);
    }

    [Fact]
    public async Task Other_file_systems_are_left_out_when_asked()
    {
        Assert.SkipUnless(Posix.EffectiveUser == 0, "mounts a file system, which needs root");
        _folder.Write("src/own", Noise(5));
        var mount = Directory.CreateDirectory(_folder.Combine("src", "mounted")).FullName;
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount);
        try
        {
            _folder.Write("src/mounted/other", Noise(5));
            await using var repository = await InitializeAsync(new CrashStore());
            Assert.Equal([".", "mounted", "mounted/other", "own"], await NamesAsync(repository, await BackUpAsync(repository, new TreeOptions())));
            var manifest = await BackUpAsync(repository, new TreeOptions { OneFileSystem = true });
            Assert.Equal([".", "mounted", "own"], await NamesAsync(repository, manifest));
            Assert.Contains(manifest.Artifacts[0].Warnings, line => line.Contains("another file system", StringComparison.Ordinal));
        }
        finally
        {
            await RunAsync("umount", mount);
        }
    }

    [Fact]
    public async Task Access_lists_are_restored_and_a_change_of_one_alone_is_noticed()
    {
        _folder.Write("src/dir/file", Noise(5));
        var file = Posix.ToPath(_folder.Combine("src", "dir", "file"));
        var directory = Posix.ToPath(_folder.Combine("src", "dir"));
        Posix.SetAttribute(file, new ExtendedAttribute("system.posix_acl_access"u8.ToArray(), AccessList(reader: 1234)));
        Posix.SetAttribute(directory, new ExtendedAttribute("system.posix_acl_default"u8.ToArray(), AccessList(reader: 99)));
        var ahead = Cheap with { Time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(TimeProvider.System.GetUtcNow().AddMinutes(1)) };
        await using var repository = await InitializeAsync(new CrashStore(), ahead);
        var first = await BackUpAsync(repository, new TreeOptions());
        await repository.RestoreTreeAsync(first, "tree", _folder.Combine("first"), null, Ct);
        Assert.Equal(TreeListing.Of(_folder.Combine("src")), TreeListing.Of(_folder.Combine("first")));
        Assert.Equal(AccessList(1234), Posix.Attributes(Posix.ToPath(_folder.Combine("first", "dir", "file"))).Single(a => a.Name.AsSpan().SequenceEqual("system.posix_acl_access"u8)).Value);

        Posix.SetAttribute(file, new ExtendedAttribute("system.posix_acl_access"u8.ToArray(), AccessList(reader: 4321)));
        var second = await BackUpAsync(repository, new TreeOptions { ParentArtifact = "tree" }, first);
        await repository.RestoreTreeAsync(second, "tree", _folder.Combine("first"), new TreeRestoreOptions { Delta = true }, null, Ct);
        Assert.Equal(TreeListing.Of(_folder.Combine("src")), TreeListing.Of(_folder.Combine("first")));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(3_000_000)]
    public async Task File_that_changes_while_it_is_read_is_noted(int length)
    {
        var path = _folder.Write("src/moving", Noise(length));
        // The clock is asked whenever progress is counted, which is while a file is read.
        var clock = new HookedTime(() => File.AppendAllText(path, "more"));
        await using var repository = await InitializeAsync(new CrashStore(), Cheap with { Time = clock });
        var manifest = await BackUpAsync(repository, new TreeOptions());
        Assert.Contains(manifest.Artifacts[0].Warnings, line => line.EndsWith("moving: changed while it was read", StringComparison.Ordinal));
        Assert.Equal(1, manifest.Artifacts[0].Counts!.ChangedWhileRead);
        var content = new byte[length];
        await repository.RestoreTreeAsync(manifest, "tree", _folder.Combine("out"), null, Ct);
        await using var restored = File.OpenRead(_folder.Combine("out", "moving"));
        await restored.ReadExactlyAsync(content, Ct);
        AssertSame(Noise(length), content);
    }

    [Fact]
    public async Task Tree_is_listed_searched_and_named_without_loss()
    {
        _folder.Write("src/b/c/deep.TXT", Noise(7));
        _folder.Write("src/b/top.txt", Noise(9));
        _folder.Write("src/b.side", Noise(1));
        Posix.MakeSymbolicLink("b/top.txt\0"u8.ToArray(), Posix.ToPath(_folder.Combine("src", "link")));
        using (Posix.CreateNew(Posix.Join(Posix.ToPath(_folder.Combine("src", "b")), [0xE9, (byte)'\n', (byte)'\\'])))
        {
        }

        await using var repository = await InitializeAsync(new CrashStore());
        var manifest = await BackUpAsync(repository, new TreeOptions());
        Assert.Equal(["b", "b.side", "link"], await PathsAsync(repository.ListTreeAsync(manifest, "tree", cancellationToken: Ct)));
        Assert.Equal(["b/c", "b/top.txt", @"b/\xe9\x0a\\"], await PathsAsync(repository.ListTreeAsync(manifest, "tree", "/b/", cancellationToken: Ct)));
        Assert.Equal(["b/c", "b/c/deep.TXT", "b/top.txt", @"b/\xe9\x0a\\"], await PathsAsync(repository.ListTreeAsync(manifest, "tree", "b", recursive: true, Ct)));
        var odd = Assert.Single(await repository.ListTreeAsync(manifest, "tree", @"b/\xe9\x0a\\", cancellationToken: Ct).ToListAsync(Ct));
        Assert.Equal(("file", 0), (odd.Kind, odd.Size));
        Assert.Equal(["b/c/deep.TXT", "b/top.txt"], await PathsAsync(repository.SearchTreeAsync(manifest, "tree", ".txt", Ct)));
        Assert.Equal(["b/top.txt"], await PathsAsync(repository.SearchTreeAsync(manifest, "tree", "*.txt", Ct)));
        var link = (await repository.ListTreeAsync(manifest, "tree", cancellationToken: Ct).ToListAsync(Ct))[2];
        Assert.Equal(("link", "b/top.txt"), (link.Kind, link.Target));
        var missing = await Assert.ThrowsAsync<EngineException>(() => PathsAsync(repository.ListTreeAsync(manifest, "tree", "b/no", cancellationToken: Ct)));
        Assert.Equal(ErrorKind.NotFound, missing.Kind);
        Assert.Throws<EngineException>(() => PathText.Parse("b/../c"));
        Assert.Throws<EngineException>(() => PathText.Parse(@"b\c"));
    }

    private static async Task<List<string>> PathsAsync(IAsyncEnumerable<TreeEntry> entries) => await entries.Select(entry => entry.Path).ToListAsync(Ct);

    private static async Task<List<string>> NamesAsync(BackupRepository repository, Manifest manifest) =>
        [".", .. await PathsAsync(repository.ListTreeAsync(manifest, "tree", recursive: true, cancellationToken: Ct))];

    private async Task<Manifest> BackUpAsync(BackupRepository repository, TreeOptions options, Manifest? parent = null)
    {
        await using var session = await repository.BeginAsync(Describe() with { Parent = parent?.Id }, Ct);
        await session.WriteTreeAsync("tree", [_folder.Combine("src")], options, null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }

    /// <summary>Owner and one named user may read and write, the group may read, others nothing: the kernel's own encoding.</summary>
    private static byte[] AccessList(uint reader)
    {
        const ushort OwnerTag = 1, UserTag = 2, GroupTag = 4, MaskTag = 0x10, OtherTag = 0x20;
        const uint NoId = uint.MaxValue;
        (ushort Tag, ushort Rights, uint Id)[] entries =
            [(OwnerTag, 6, NoId), (UserTag, 6, reader), (GroupTag, 4, NoId), (MaskTag, 6, NoId), (OtherTag, 0, NoId)];
        var bytes = new byte[4 + (entries.Length * 8)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, 2);
        for (var i = 0; i < entries.Length; i++)
        {
            var at = bytes.AsSpan(4 + (i * 8));
            BinaryPrimitives.WriteUInt16LittleEndian(at, entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], entries[i].Rights);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], entries[i].Id);
        }

        return bytes;
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(program, arguments);
        await process.WaitForExitAsync(Ct);
        Assert.Equal(0, process.ExitCode);
    }

    private sealed class HookedTime(Action onAsked) : TimeProvider
    {
        public override long GetTimestamp()
        {
            onAsked();
            return base.GetTimestamp();
        }
    }
}
