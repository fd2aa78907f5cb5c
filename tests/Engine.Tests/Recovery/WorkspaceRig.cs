using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Redis;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A workspace of a real PostgreSQL, a real Redis and a volume, with commands that hold its application still, and the engine that backs it up and recovers it.</summary>
internal sealed class WorkspaceRig : IAsyncDisposable
{
    private const int Sessions = 200;
    private readonly ServerFolder _folder = new();
    private readonly PostgresCluster _server;
    private readonly string _mark = Guid.NewGuid().ToString("n")[..12];
    private readonly int _redisPort = FreePort.Choose();
    private EngineRig? _engine;

    private WorkspaceRig() =>
        _server = new PostgresCluster(_folder.ClusterOptions("orders") with { ListenAddress = "127.0.0.1", IsScratch = true, Port = FreePort.Choose() }, _folder.Registry);

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public EngineRig Engine => _engine!;

    public string Workspace => $"shop-{_mark}";

    public string Database => $"orders-{_mark}";

    public string Dump => $"dump-{_mark}";

    public string Cache => $"cache-{_mark}";

    public string Uploads => $"uploads-{_mark}";

    public string Volume => _folder.Combine("uploads");

    public string RedisFolder => _folder.Combine("redis");

    public string ServerFolder => _server.DataFolder;

    /// <summary>The file that holds the password of the database's role.</summary>
    public string Password => _folder.Combine("password");

    private string Held => $$"""
        , "Workspaces": [ { "Name": "{{Workspace}}", "Quiesce": ["{{Shell}}", "-c", "echo held >> '{{Hooks}}'"], "Resume": ["/bin/sh", "-c", "echo goes on >> '{{Hooks}}'"] } ]
        """;

    /// <summary>The program that holds the application; whoever removes it takes the command away.</summary>
    public string Shell => _folder.Combine("hold-shell");

    private string Hooks => _folder.Combine("hooks");

    /// <summary>Starts and fills everything.</summary>
    /// <param name="holds">False: no commands hold the application still.</param>
    /// <param name="declaresDirectory">False: no configuration names the data directory of the Redis.</param>
    /// <param name="hasDump">True: a database of the server is also protected by itself, with logical backups.</param>
    public static async Task<WorkspaceRig> StartAsync(CatalogServer catalog, bool declaresDirectory = true, bool holds = true, bool hasDump = false)
    {
        var rig = new WorkspaceRig();
        File.CreateSymbolicLink(rig.Shell, "/bin/sh");
        await rig._server.StartAsync(Ct);
        await rig.ExecuteAsync("CREATE TABLE parcel (id int PRIMARY KEY, note text); INSERT INTO parcel SELECT i, 'parcel ' || i || repeat(' of the shop', 20) FROM generate_series(1, 2000) i; CHECKPOINT");
        await rig.StartRedisAsync();
        await CacheContent.FillAsync(rig.RedisEndpoint, Sessions, Ct);
        rig.Write("photos/a", "picture a");
        rig.Write("photos/b", "picture b");
        rig.Write("letter", "dear reader");
        LocalFolder.WritePrivateFile(rig.Password, "a password"u8);
        var directory = declaresDirectory ? $"""
            , "DataDirectory": "{rig.RedisFolder}"
            """ : "";
        var dump = hasDump ? $$"""
              { "Name": "{{rig.Dump}}", "Kind": "postgres", "Class": "standard", "Workspace": "{{rig.Workspace}}",
                "Postgres": { "Host": "127.0.0.1", "Port": {{rig._server.Port}}, "Database": "postgres", "Username": "postgres", "PasswordFile": "password", "Mode": "logical" } },
            """ : "";
        rig._engine = await EngineRig.StartAsync(catalog, rig._folder, $$"""
            "Sources": [ {{dump}}
              { "Name": "{{rig.Cache}}", "Kind": "redis", "Class": "standard", "Workspace": "{{rig.Workspace}}", "Redis": { "Host": "127.0.0.1", "Port": {{rig._redisPort}}{{directory}} },
                "Recovery": { "Service": { "Driver": "command", "Start": ["/bin/sh", "{{rig.Script("start")}}"], "Stop": ["/bin/sh", "{{rig.Script("stop")}}"], "Status": ["/bin/sh", "{{rig.Script("status")}}"] },
                              "Checks": [ { "Name": "answers", "Command": ["redis-cli", "-h", "{host}", "-p", "{port}", "ping"] } ] } },
              { "Name": "{{rig.Database}}", "Kind": "postgres", "Class": "standard", "Workspace": "{{rig.Workspace}}",
                "Postgres": { "Host": "127.0.0.1", "Port": {{rig._server.Port}}, "Database": "postgres", "Username": "postgres", "PasswordFile": "password", "Mode": "physical",
                              "DataDirectory": "{{rig._server.DataFolder}}", "Wal": { "Enabled": "false" } } },
              { "Name": "{{rig.Uploads}}", "Kind": "volume", "Class": "standard", "Workspace": "{{rig.Workspace}}", "Volume": { "Path": "{{rig.Volume}}" } } ]{{(holds ? rig.Held : "")}}
            """);
        return rig;
    }

    /// <summary>Takes a recovery set of all parts.</summary>
    public async Task<long> TakeSetAsync()
    {
        var run = await Engine.AdvanceAsync((await Engine.Get<WorkspaceRequests>().TakeSetAsync(Workspace, "tester", Ct)).Id);
        Assert.True(run.State == RunState.Completed && run.ResultJson is not null, run.ErrorJson);
        var set = System.Text.Json.JsonSerializer.Deserialize<SetRunResult>(run.ResultJson, System.Text.Json.JsonSerializerOptions.Web)!;
        Assert.True(set.IsComplete, string.Join("; ", set.Parts.Select(part => part.Fault)));
        File.Delete(Hooks);
        return run.Id.Value;
    }

    public Task<SeveralDraft> DraftAsync(long set, params string[] leaveOut) =>
        Engine.Recoveries.PlanAsync("workspace-recovery", new SeveralRequest("UNKNOWN", leaveOut) { Set = set }, Ct);

    /// <summary>Something happens to all parts, as a bad release would do it.</summary>
    public async Task SpoilAsync()
    {
        await ExecuteAsync("DELETE FROM parcel WHERE id % 2 = 0; UPDATE parcel SET note = 'spoilt'; CREATE TABLE rubbish AS SELECT 1; CHECKPOINT");
        await RedisAsync("FLUSHALL");
        await RedisAsync("SET", "rubbish", "1");
        File.Delete(Path.Combine(Volume, "photos/a"));
        Write("photos/b", "painted over");
        Write("rubbish", "1");
    }

    /// <summary>The content of all parts: rows, keys as the server itself adds them up, and files.</summary>
    public async Task<string> DigestAsync() => string.Join('\n',
        await ExecuteAsync("SELECT md5(string_agg(id || note, ',' ORDER BY id)) FROM parcel"), await ExecuteAsync("SELECT to_regclass('rubbish')::text"),
        await RedisAsync("DEBUG", "DIGEST"), DigestOf(Volume));

    public IReadOnlyList<string> SaidByHooks() => File.Exists(Hooks) ? File.ReadAllLines(Hooks) : [];

    public async Task<object?> ExecuteAsync(string sql)
    {
        var settings = _server.ConnectionString();
        (settings.Host, settings.Pooling) = ("127.0.0.1", false);
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Ct);
    }

    public async Task<string> RedisAsync(params string[] command)
    {
        await using var connection = await RedisConnection.OpenAsync(RedisEndpoint, Ct);
        return (await connection.RequireAsync(command, Ct)).Text;
    }

    public void Write(string name, string content)
    {
        var path = Path.Combine(Volume, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    }

    public async ValueTask DisposeAsync()
    {
        await RunAsync("stop");
        if (Directory.Exists(_server.DataFolder))
        {
            await new PgCtlService(_server.DataFolder, _folder.Registry).StopAsync(_ => { }, CancellationToken.None);
        }

        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }

        await _server.DisposeAsync();
        await _folder.DisposeAsync();
    }

    private RedisEndpoint RedisEndpoint => new("127.0.0.1", _redisPort);

    private string Script(string name) => _folder.Combine($"redis-{name}.sh");

    /// <summary>A server of its own service: it goes into the background, and saves its data when it is stopped.</summary>
    private async Task StartRedisAsync()
    {
        LocalFolder.CreatePrivate(RedisFolder);
        var pid = _folder.Combine("redis.pid");
        await File.WriteAllTextAsync(_folder.Combine("redis.conf"), $"""
            bind 127.0.0.1
            port {_redisPort.ToString(CultureInfo.InvariantCulture)}
            dir {RedisFolder}
            daemonize yes
            pidfile {pid}
            logfile {_folder.Combine("redis.log")}
            save 3600 1
            appendonly yes
            repl-diskless-sync-delay 0
            enable-debug-command yes

            """, Ct);
        await File.WriteAllTextAsync(Script("status"), $"kill -0 \"$(cat {pid})\"", Ct);
        await File.WriteAllTextAsync(Script("start"), $"kill -0 \"$(cat {pid})\" 2>/dev/null || redis-server {_folder.Combine("redis.conf")}\nuntil kill -0 \"$(cat {pid} 2>/dev/null)\" 2>/dev/null; do sleep 0.05; done", Ct);
        await File.WriteAllTextAsync(Script("stop"), $"p=$(cat {pid} 2>/dev/null) || exit 0\nkill \"$p\" 2>/dev/null\nwhile kill -0 \"$p\" 2>/dev/null; do sleep 0.05; done\nexit 0", Ct);
        await RunAsync("start");
        while (true)
        {
            try
            {
                await RedisAsync("PING");
                return;
            }
            catch (EngineException)
            {
                await Task.Delay(50, Ct);
            }
        }
    }

    private async Task RunAsync(string script)
    {
        var result = await ToolProcess.RunAsync(new ToolCommand("/bin/sh", [Script(script)]) { Purpose = "the test's Redis" }, _folder.Registry, CancellationToken.None);
        Assert.Equal(0, result.ExitCode);
    }

    private static string DigestOf(string directory)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories)
            .Where(path => !path.Contains(".drconsole-before-", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Path.GetRelativePath(directory, path)} {File.GetUnixFileMode(path)} {File.GetLastWriteTimeUtc(path).Ticks}\n")));
            hash.AppendData(File.ReadAllBytes(path));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
