using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Jobs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

[assembly: AssemblyFixture(typeof(CatalogServer))]

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>One private catalog for all tests, started and migrated as the console does it. Tests keep apart by their sources' names.</summary>
public sealed class CatalogServer : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-catalog-");
    private PrivateCatalog? _catalog;
    private NpgsqlDataSource? _pool;

    public CatalogConnection Connection => _catalog!.Connection;

    /// <summary>A pool of the application role.</summary>
    public NpgsqlDataSource Pool => _pool!;

    public async ValueTask InitializeAsync()
    {
        var data = DataFolder.Open(_folder.FullName);
        _catalog = await PrivateCatalog.StartAsync(data, new ProcessRegistry(data.Processes), ClusterClaim.Own, TimeProvider.System, CancellationToken.None);
        await CatalogMigration.ApplyAsync(Connection, CancellationToken.None);
        await JobStorageSchema.InstallAsync(Connection, CancellationToken.None);
        _pool = Connection.OpenPool();
    }

    public async ValueTask DisposeAsync()
    {
        if (_pool is not null)
        {
            await _pool.DisposeAsync();
        }

        if (_catalog is not null)
        {
            await _catalog.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }
}
