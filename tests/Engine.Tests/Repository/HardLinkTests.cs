using System.IO.Pipes;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Win32.SafeHandles;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Files with several names, and files whose holes cannot be told: nothing else is stored in their place.</summary>
public sealed class HardLinkTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Later_name_of_a_file_that_was_written_meanwhile_has_what_it_holds_then()
    {
        var source = Linked("a-first", "z-second");
        _folder.Write("src/m-between", Noise(10, 1));
        _folder.Write("src/n-between", Noise(10, 2));
        // One reader: when the walk comes to the second name, what lies between has been read, and the file written.
        await using var repository = await InitializeAsync(new CrashStore(), Cheap with { Workers = 1 });
        await using var session = await repository.BeginAsync(Describe(), Ct);
        var writing = new Acting("m-between", () => File.WriteAllText(Path.Combine(source, "z-second"), "as it is by then"));
        await session.WriteTreeAsync("tree", [source], new TreeOptions { Inspector = writing }, null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);

        await repository.RestoreTreeAsync(manifest, "tree", _folder.Combine("out"), null, Ct);

        Assert.Equal("one content", await File.ReadAllTextAsync(_folder.Combine("out", "a-first"), Ct));
        Assert.Equal("as it is by then", await File.ReadAllTextAsync(_folder.Combine("out", "z-second"), Ct));
    }

    [Fact]
    public async Task Dry_run_names_what_is_linked_anew_since_its_file_is_replaced()
    {
        var source = Linked("a-first", "z-second");
        await using var repository = await InitializeAsync(new CrashStore());
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteTreeAsync("tree", [source], new TreeOptions(), null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);
        await File.WriteAllTextAsync(Path.Combine(source, "a-first"), "spoilt under both names", Ct);
        var (told, done) = (new List<RestoreChange>(), new List<RestoreChange>());

        await repository.RestoreTreeAsync(manifest, "tree", source, new TreeRestoreOptions { Delta = true, DryRun = true, OnChange = told.Add }, null, Ct);
        await repository.RestoreTreeAsync(manifest, "tree", source, new TreeRestoreOptions { Delta = true, OnChange = done.Add }, null, Ct);

        Assert.Equal(done.OrderBy(change => change.Path, StringComparer.Ordinal), told.OrderBy(change => change.Path, StringComparer.Ordinal));
        Assert.Equal(["a-first", "z-second"], told.Where(change => change.Kind == RestoreChangeKind.Replace).Select(change => change.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void File_whose_holes_cannot_be_told_is_unreadable_and_no_hole()
    {
        // A pipe cannot be sought in: the answer is an error, as a disk's is that fails, and not the one that says "no data behind".
        using var pipe = new AnonymousPipeServerStream();
        using var file = new SafeFileHandle(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false);

        var fault = Assert.Throws<PosixException>(() => Posix.DataExtents(file, 4096, Posix.ToPath("/a/file")));

        Assert.StartsWith("/a/file: ", fault.Message, StringComparison.Ordinal);
        using var holes = File.OpenHandle(_folder.Combine("holes"), FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(holes, 1024 * 1024);
        Assert.Empty(Posix.DataExtents(holes, 1024 * 1024, Posix.ToPath("/holes")));
    }

    private string Linked(string first, string second)
    {
        _folder.Write($"src/{first}", "one content"u8.ToArray());
        Posix.MakeHardLink(Posix.ToPath(_folder.Combine("src", first)), Posix.ToPath(_folder.Combine("src", second)));
        return _folder.Combine("src");
    }

    /// <summary>Does something while a file is about to be read.</summary>
    private sealed class Acting(string at, Action act) : ITreeInspector
    {
        public IFileInspector? Open(string path)
        {
            if (path == at)
            {
                act();
            }

            return null;
        }

        public void TakenOver(string path, long bytes, DateTimeOffset modified)
        {
        }
    }
}
