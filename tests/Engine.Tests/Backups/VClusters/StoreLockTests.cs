using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

public sealed class StoreLockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Database => _folder.Combine("etcd", "member", "snap", "db");

    [Fact]
    public async Task Store_that_somebody_has_open_is_waited_for_and_then_refused()
    {
        var store = _folder.Combine("etcd");
        Directory.CreateDirectory(Path.GetDirectoryName(Database)!);
        await File.WriteAllTextAsync(Database, "pages", Ct);
        await using (Held())
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => StoreLock.RequireFreeAsync(store, "tenant-a", new HastyTime(), Ct));
            Assert.Equal("store-in-use", fault.Code);
            Assert.Contains(store, fault.Message, StringComparison.Ordinal);
        }

        await using var ending = Held();
        var waiting = StoreLock.RequireFreeAsync(store, "tenant-a", TimeProvider.System, Ct);
        Assert.False(waiting.IsCompleted);
        await ending.DisposeAsync();
        await waiting;
    }

    [Fact]
    public void Store_without_a_database_is_nobodys() => Assert.False(StoreLock.IsHeld(_folder.Combine("none")));

    public void Dispose() => _folder.Dispose();

    /// <summary>As etcd has it.</summary>
    private FileStream Held() => new(Database, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
}
