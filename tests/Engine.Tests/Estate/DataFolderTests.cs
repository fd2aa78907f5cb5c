using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Tests.Estate;

public sealed class DataFolderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-data-");

    private DataFolder Data => DataFolder.Open(_folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void TryLock_twice_gives_nothing_until_the_first_is_given_back()
    {
        var data = Data;
        var first = data.TryLock(FolderUse.Console);
        Assert.NotNull(first);
        Assert.Null(data.TryLock(FolderUse.Command));
        Assert.Equal(new FolderHolder(Environment.ProcessId, FolderUse.Console), data.Holder());
        Assert.Contains($"process {Environment.ProcessId}", data.InUse().Message, StringComparison.Ordinal);

        first.Dispose();
        Assert.Null(data.Holder());
        using var second = data.TryLock(FolderUse.Command);
        Assert.Equal(FolderUse.Command, data.Holder()?.Use);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("999999999 1 Console")]
    [InlineData("1 1 Console")]
    public void Holder_of_a_dead_process_is_nobody(string text)
    {
        File.WriteAllText(Path.Combine(Data.Root, "console.pid"), text);
        Assert.Null(Data.Holder());
    }

    [Fact]
    public void Secret_is_made_once_and_only_its_owner_reads_it()
    {
        var secret = Data.Secret("one.pw");
        Assert.Matches("^[0-9a-f]{64}$", secret);
        Assert.Equal(secret, Data.Secret("one.pw"));
        Assert.NotEqual(secret, Data.Secret("two.pw"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Data.Keys, "one.pw")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Data.Keys));
    }

    [Fact]
    public void Open_where_a_file_stands_says_what_to_give_instead()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "");
        var fault = Assert.Throws<EngineException>(() => DataFolder.Open(Path.Combine(file, "data")));
        Assert.Equal("data-folder", fault.Code);
        Assert.Contains("--data", fault.Hint, StringComparison.Ordinal);
    }
}
