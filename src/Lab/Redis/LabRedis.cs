using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab.Mail;

namespace Hexabase.DrConsole.Lab.Redis;

/// <summary>What a Redis of the lab is like.</summary>
public sealed record LabRedisOptions
{
    /// <summary>Names its folder and secrets; several can stand side by side.</summary>
    public string Name { get; init; } = "cache";

    /// <summary>True for a port that speaks TLS only, with a certificate of the lab's own authority.</summary>
    public bool Tls { get; init; }

    /// <summary>True for a server that keeps append-only files.</summary>
    public bool AppendOnly { get; init; }

    /// <summary>The master whose replica it is; null for a master.</summary>
    public LabRedis? Master { get; init; }

    /// <summary>How long a full synchronisation waits for further replicas, in seconds: Redis's own default is 5.</summary>
    public int SyncDelaySeconds { get; init; } = 5;

    /// <summary>Further lines of configuration.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}

/// <summary>
/// A real Redis on loopback, with an administrator (<c>default</c>) and a user that backs up with the least rights. Its data
/// survives a restart where it keeps append-only files, or is shut down in good order.
/// </summary>
public sealed class LabRedis(LabFolder folder, LabRedisOptions? options = null) : IAsyncDisposable
{
    /// <summary>Where it listens.</summary>
    public const string Host = "127.0.0.1";

    /// <summary>The user that backs up.</summary>
    public const string BackupUser = "backup";

    /// <summary>What that user may do, and no more.</summary>
    public const string BackupRights = "-@all +psync +sync +replconf +ping +info +acl|list";

    private readonly LabRedisOptions _options = options ?? new LabRedisOptions();
    private LocalServer? _server;

    /// <summary>True where this machine has a Redis.</summary>
    public static bool IsInstalled => File.Exists("/usr/bin/redis-server");

    /// <summary>Its port; known once started, and kept.</summary>
    public int Port { get; private set; }

    /// <summary>Its data directory.</summary>
    public string DataFolder => folder.Combine("redis", _options.Name);

    /// <summary>What it writes.</summary>
    public string LogFile => folder.Combine("redis", _options.Name + ".log");

    /// <summary>Holds the password of <see cref="BackupUser"/>.</summary>
    public string BackupPasswordFile => Path.Combine(folder.Keys, $"{_options.Name}.pw");

    /// <summary>Holds the administrator's password.</summary>
    public string AdminPasswordFile => Path.Combine(folder.Keys, $"{_options.Name}-admin.pw");

    /// <summary>The authority that signed its certificate.</summary>
    public string CaFile => folder.Combine("redis", _options.Name + "-ca.pem");

    /// <summary>Controls its service as an operator's own script would: with <c>start</c>, <c>stop</c> or <c>status</c>, for <c>/bin/sh</c>.</summary>
    public string ServiceFile => folder.Combine("redis", _options.Name + "-service");

    /// <summary>The process while it runs.</summary>
    public ProcessIdentity? Process => _server?.Process;

    /// <summary>As the administrator.</summary>
    public RedisEndpoint Admin => new(Host, Port) { PasswordFile = AdminPasswordFile, Tls = _options.Tls, CaFile = _options.Tls ? CaFile : null };

    /// <summary>As the user that backs up.</summary>
    public RedisEndpoint Backup => Admin with { Username = BackupUser, PasswordFile = BackupPasswordFile };

    /// <summary>Starts it and waits until it has loaded its data.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>, <c>server-start-failed</c>.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        folder.Create();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await LaunchAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (EngineException fault) when (fault.Code == "port-in-use" && attempt < 3)
            {
                File.Delete(PortFile);
            }
        }
    }

    /// <summary>Starts the process without waiting for anything but that its port answers: it may be loading.</summary>
    public Task LaunchAsync(CancellationToken cancellationToken) => LaunchAsync(waitForData: true, cancellationToken);

    /// <summary>As <see cref="LaunchAsync(CancellationToken)"/>.</summary>
    /// <param name="waitForData">False to return while it still loads.</param>
    public async Task LaunchAsync(bool waitForData, CancellationToken cancellationToken)
    {
        LocalFolder.CreatePrivate(folder.Combine("redis"));
        LocalFolder.CreatePrivate(DataFolder);
        // What a recovery started in an earlier life of the lab, which ended before it could stop it.
        await StopServiceAsync(cancellationToken).ConfigureAwait(false);
        Port = File.Exists(PortFile) ? int.Parse(await File.ReadAllTextAsync(PortFile, cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) : FreePort.Choose();
        await File.WriteAllTextAsync(PortFile, Port.ToString(CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
        var configuration = folder.Combine("redis", _options.Name + ".conf");
        LocalFolder.WritePrivateFile(configuration, Encoding.UTF8.GetBytes(Configuration()));
        LocalFolder.WritePrivateFile(ServiceFile, Encoding.UTF8.GetBytes(Service(configuration)));
        _server = new LocalServer(
            new LocalServerOptions
            {
                Name = "lab-redis-" + _options.Name,
                Purpose = "the lab's Redis " + _options.Name,
                Command = new ToolCommand("redis-server", [configuration]) { Purpose = "the lab's Redis" },
                LogFile = LogFile,
                StartTimeout = TimeSpan.FromMinutes(2),
            },
            folder.Registry);
        await _server.StartAsync(token => AnswersAsync(waitForData, token), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a command as the administrator; an error is thrown.</summary>
    public async Task<RespValue> RunAsync(CancellationToken cancellationToken, params string[] command)
    {
        var connection = await RedisConnection.OpenAsync(Admin, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            return await connection.RequireAsync(command, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops it in good order, whoever started it; without append-only files it saves first.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is not null)
        {
            await _server.StopAsync(cancellationToken).ConfigureAwait(false);
            await StopServiceAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends it by KILL, as a crash would.</summary>
    public Task KillAsync(CancellationToken cancellationToken) => _server?.KillTreeAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>Stops it where it runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    private string PidFile => folder.Combine("redis", _options.Name + ".pid");

    private string PortFile => folder.Combine("redis", _options.Name + ".port");

    private async Task<bool> AnswersAsync(bool waitForData, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await RedisConnection.OpenAsync(Admin, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                var answer = await connection.CallAsync(["PING"], cancellationToken).ConfigureAwait(false);
                return !answer.IsError || (!waitForData && answer.Text.StartsWith("LOADING", StringComparison.Ordinal));
            }
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
        {
            return false;
        }
    }

    private string Configuration()
    {
        var lines = new List<string>
        {
            "bind 127.0.0.1",
            _options.Tls ? "port 0" : string.Create(CultureInfo.InvariantCulture, $"port {Port}"),
            "daemonize no",
            $"pidfile {PidFile}",
            $"dir {DataFolder}",
            "save 3600 1",
            $"appendonly {(_options.AppendOnly ? "yes" : "no")}",
            string.Create(CultureInfo.InvariantCulture, $"repl-diskless-sync-delay {_options.SyncDelaySeconds}"),
            "enable-debug-command local",
            $"user default on sanitize-payload #{Hash(folder.Secret(Path.GetFileName(AdminPasswordFile)))} ~* &* +@all",
            $"user {BackupUser} on #{Hash(folder.Secret(Path.GetFileName(BackupPasswordFile)))} {BackupRights}",
        };
        if (_options.Master is { } master)
        {
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"replicaof {Host} {master.Port}"));
            lines.Add($"masterauth {File.ReadAllText(master.AdminPasswordFile)}");
        }

        if (_options.Tls)
        {
            WriteCertificates();
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"tls-port {Port}"));
            lines.Add($"tls-cert-file {folder.Combine("redis", _options.Name + "-cert.pem")}");
            lines.Add($"tls-key-file {folder.Combine("redis", _options.Name + "-key.pem")}");
            lines.Add($"tls-ca-cert-file {CaFile}");
            lines.Add("tls-auth-clients no");
        }

        return string.Join('\n', lines.Concat(_options.Settings)) + "\n";
    }

    /// <summary>Another's process that bears the id by now, since the machine started anew, is not taken for the server.</summary>
    private string Service(string configuration) => $$"""
        #!/bin/sh
        pid() { cat '{{PidFile}}' 2>/dev/null; }
        runs() { p=$(pid) && grep -aq 'redis-server .*:{{Port.ToString(CultureInfo.InvariantCulture)}}' "/proc/$p/cmdline" 2>/dev/null; }
        case $1 in
          start)
            runs && exit 0
            rm -f '{{PidFile}}'
            redis-server '{{configuration}}' --daemonize yes --logfile '{{LogFile}}' || exit 1
            until runs; do sleep 0.05; done ;;
          stop)
            runs || exit 0
            kill "$p"
            while runs; do sleep 0.05; done ;;
          status) runs ;;
        esac

        """;

    private async Task StopServiceAsync(CancellationToken cancellationToken)
    {
        if (File.Exists(ServiceFile))
        {
            await ToolProcess.RunAsync(new ToolCommand("/bin/sh", [ServiceFile, "stop"]) { Purpose = "the lab's Redis " + _options.Name }, folder.Registry, cancellationToken).ConfigureAwait(false);
        }
    }

    private static string Hash(string password) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(password)));

    private void WriteCertificates()
    {
        using var certificates = LabCertificates.Create(TimeProvider.System);
        using var key = certificates.Server.GetECDsaPrivateKey()!;
        certificates.WriteAuthority(CaFile);
        Write("-cert.pem", certificates.Server.ExportCertificatePem());
        Write("-key.pem", key.ExportPkcs8PrivateKeyPem());

        void Write(string name, string pem) => LocalFolder.WritePrivateFile(folder.Combine("redis", _options.Name + name), Encoding.ASCII.GetBytes(pem + "\n"));
    }
}
