using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresLab))]

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// One small lab server for all tests of this assembly, started by the first test that asks for it. Take it as a
/// constructor parameter. Tests that write, or that count, take a database of their own.
/// </summary>
public sealed class PostgresLab : IAsyncDisposable
{
    private const string Template = "orders_template";

    private readonly SemaphoreSlim _starting = new(1, 1);
    private ServerFolder? _folder;
    private LabPostgres? _server;

    /// <summary>The folder of the lab, with its key files; known once the server has been asked for.</summary>
    public LabFolder Folder { get; private set; } = null!;

    /// <summary>The server with its database <c>orders</c>, which tests only read.</summary>
    public async Task<LabPostgres> GetServerAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            return _server ??= await StartAsync(cancellationToken);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>A copy of <c>orders</c> of the test's own, dropped when disposed; made in a fraction of a second.</summary>
    public async Task<LabDatabase> CreateDatabaseAsync(CancellationToken cancellationToken)
    {
        var server = await GetServerAsync(cancellationToken);
        var name = "orders_" + RandomNumberGenerator.GetHexString(8, lowercase: true);
        await server.CopyDatabaseAsync(Template, name, cancellationToken);
        return new LabDatabase(server, name);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_folder is not null)
        {
            await _folder.DisposeAsync();
        }

        _starting.Dispose();
    }

    /// <remarks>It keeps its WAL: a checkpoint of one test must not take away what another is about to store.</remarks>
    private async Task<LabPostgres> StartAsync(CancellationToken cancellationToken)
    {
        await ServerFolder.RemoveAbandonedAsync();
        _folder = new ServerFolder();
        Folder = new LabFolder(_folder.Combine("lab"));
        var server = new LabPostgres(Folder, new LabPostgresOptions { IsDurable = false, IsScratch = true, KeptWal = "4GB" });
        try
        {
            await server.StartAsync(cancellationToken);
            await server.CopyDatabaseAsync(LabPostgres.Orders, Template, cancellationToken);
        }
        catch
        {
            await server.DisposeAsync();
            await _folder.DisposeAsync();
            throw;
        }

        return server;
    }
}

/// <summary>A test's own database on the shared server.</summary>
public sealed class LabDatabase(LabPostgres server, string name) : IAsyncDisposable
{
    public LabPostgres Server { get; } = server;

    public string Name { get; } = name;

    /// <summary>Connection settings as superuser.</summary>
    public NpgsqlConnectionStringBuilder Admin => Server.AdminConnection(Name);

    /// <summary>Connection settings as the backup role.</summary>
    public NpgsqlConnectionStringBuilder Backup => Server.BackupConnection(Name);

    public async ValueTask DisposeAsync() => await Server.DropDatabaseAsync(Name, CancellationToken.None);
}
