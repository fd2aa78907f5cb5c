using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A folder that is given away with all in it, and nothing that a link in it leads to.</summary>
public sealed class OwnedFolderTests : IDisposable
{
    private static readonly ServerUser Other = new("12345", 12345, 54321, "/");
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Link_to_a_folder_is_given_itself_and_nothing_behind_it()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "giving away needs root");
        _folder.Write("etc/cron.d/job", "theirs"u8.ToArray());
        _folder.Write("data/below/file", "ours"u8.ToArray());
        Directory.CreateSymbolicLink(_folder.Combine("data", "below", "link"), _folder.Combine("etc"));

        OwnedFolder.Give(_folder.Combine("data"), Other);

        foreach (var path in new[] { "data", "data/below", "data/below/file", "data/below/link" })
        {
            Assert.Equal((path, Other.UserId, Other.GroupId), (path, StatOf(path).User, StatOf(path).Group));
        }

        foreach (var path in new[] { "etc", "etc/cron.d", "etc/cron.d/job" })
        {
            Assert.Equal((path, 0u), (path, StatOf(path).User));
        }
    }

    private FileStat StatOf(string path) => Posix.Stat(Posix.ToPath(_folder.Combine(path.Split('/'))));
}
