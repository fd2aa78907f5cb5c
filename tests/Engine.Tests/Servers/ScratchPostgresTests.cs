using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Servers;

public sealed class ScratchPostgresTests : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();
    private readonly string _keyFile;

    public ScratchPostgresTests()
    {
        LocalFolder.CreatePrivate(_folder.Combine("keys"));
        _keyFile = Path.Combine(_folder.Combine("keys"), "repository.key");
        LocalFolder.WritePrivateFile(_keyFile, "the passphrase"u8);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private ScratchPostgresOptions Options => new()
    {
        Root = _folder.Combine("scratch"),
        ProtectedPaths = [_folder.Combine("keys"), _keyFile],
    };

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public async Task StartAsync_superuser_inside_can_neither_read_keys_nor_connect_out()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var scratch = await ScratchPostgres.StartAsync(
            Options with { Settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["shared_buffers"] = "64MB" } },
            _folder.Registry, TimeProvider.System, Cancel);
        await using var source = NpgsqlDataSource.Create(scratch.ConnectionString());

        // As root everything must be had; as an ordinary user what is promised must hold, and what is not must have a reason.
        Assert.True(scratch.Isolation.IsComplete || !ServerUser.IsRoot, scratch.Isolation.Reason);
        Assert.Equal(scratch.Isolation.IsComplete, scratch.Isolation.Reason is null);
        if (ServerUser.IsRoot)
        {
            Assert.Equal(ScratchUser.Name, await ReadAsync(source, "create temp table w (w text); copy w from program 'id -un'; select w from w"));
        }

        if (scratch.Isolation.UserSeparated)
        {
            await Assert.ThrowsAsync<PostgresException>(() => ReadAsync(source, $"select pg_read_file('{_keyFile}', 0, 10, false) || 'x'"));
            await Assert.ThrowsAsync<PostgresException>(() => ReadAsync(source, $"copy (select 1) to program 'grep -q passphrase {_keyFile}'"));
        }

        if (scratch.Isolation.NetworkSeparated)
        {
            var connecting = await Assert.ThrowsAsync<PostgresException>(
                () => ReadAsync(source, $"copy (select 1) to program 'bash -c \"exec 3<>/dev/tcp/127.0.0.1/{port}\"'"));
            Assert.Equal("38000", connecting.SqlState);
            Assert.False(listener.Pending());
        }

        // Nothing runs by itself, and settings cannot loosen it.
        Assert.Equal("off", await ReadAsync(source, "show archive_mode"));
        Assert.Equal("64MB", await ReadAsync(source, "show shared_buffers"));
        Assert.Equal("0", await ReadAsync(source, "show max_logical_replication_workers"));
        Assert.Equal("", await ReadAsync(source, "show listen_addresses"));
        Assert.Equal("0", await ReadAsync(
            source, "select count(*) from pg_stat_activity where backend_type in ('logical replication launcher', 'autovacuum launcher')"));
    }

    [Fact]
    public async Task StartAsync_readable_secret_is_reported_and_after_dispose_nothing_is_left()
    {
        var open = _folder.Combine("open.key");
        await File.WriteAllTextAsync(open, "world-readable", Cancel);

        var scratch = await ScratchPostgres.StartAsync(
            Options with { ProtectedPaths = [open] }, _folder.Registry, TimeProvider.System, Cancel);
        var postmaster = scratch.Postmaster!.Value;
        await scratch.DisposeAsync();

        // An ordinary user may have bubblewrap, which hides even what everybody can read; root relies on the user alone.
        Assert.False(scratch.Isolation.UserSeparated && ServerUser.IsRoot);
        Assert.Equal(
            scratch.Isolation.UserSeparated, scratch.Isolation.Reason?.Contains(open, StringComparison.Ordinal) is not true);
        Assert.False(postmaster.IsAlive());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Options.Root));
        Assert.Empty(_folder.Registry.List());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SettleAsync_scratch_of_a_dead_console_is_removed_whether_or_not_it_still_runs(bool killed)
    {
        var scratch = await ScratchPostgres.StartAsync(Options, _folder.RegistryOfDeadConsole(), TimeProvider.System, Cancel);
        var postmaster = scratch.Postmaster!.Value;
        if (killed)
        {
            await scratch.KillAsync(Cancel);
        }

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.False(postmaster.IsAlive());
        Assert.False(Directory.Exists(scratch.Folder));
        Assert.Single(killed ? report.Gone : report.Ended);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task StartAsync_cancelled_leaves_nothing_behind()
    {
        using var cancellation = new CancellationTokenSource();
        var starting = ScratchPostgres.StartAsync(Options, _folder.Registry, TimeProvider.System, cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Options.Root));
        Assert.Empty(_folder.Registry.List());
    }

    private static async Task<string?> ReadAsync(NpgsqlDataSource source, string query)
    {
        await using var command = source.CreateCommand(query);
        return (await command.ExecuteScalarAsync(Cancel))?.ToString();
    }
}
