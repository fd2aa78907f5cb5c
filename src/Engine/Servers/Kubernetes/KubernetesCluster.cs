using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.Servers.Kubernetes;

/// <summary>A control plane to start.</summary>
public sealed record KubernetesClusterOptions
{
    /// <summary>Begins the names of its processes' records: lower-case letters, digits, <c>-</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Where data, keys and logs lie. It is made where it is missing, and stays.</summary>
    public required string Folder { get; init; }

    /// <summary>The programs.</summary>
    public required KubernetesBinaries Binaries { get; init; }

    /// <summary>True to run the controllers too.</summary>
    public bool HasControllers { get; init; }

    /// <summary>The controllers, as <c>--controllers</c> wants them.</summary>
    public string Controllers { get; init; } = "*";

    /// <summary>Further arguments of the API server.</summary>
    public IReadOnlyList<string> ApiServerArguments { get; init; } = [];

    /// <summary>Lines of the token file: <c>token,user,uid,"groups"</c>.</summary>
    public IReadOnlyList<string> Tokens { get; init; } = [];

    /// <summary>Who runs it; this process's user where null.</summary>
    public ServerUser? RunAs { get; init; }

    /// <summary>Called each time when etcd has been started, before the API server is.</summary>
    public Func<CancellationToken, Task>? OnStore { get; init; }

    /// <summary>Loaded machines take minutes for what an idle one does in four seconds.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(180);
}

/// <summary>
/// A Kubernetes control plane of real programs on loopback: etcd, API server and, where wanted, the controllers. Ports are
/// free ones, chosen at the first start and kept while they stay free. Calls at the same time are served one after another.
/// </summary>
public sealed class KubernetesCluster(KubernetesClusterOptions options, ProcessRegistry registry, TimeProvider? time = null) : IAsyncDisposable
{
    private const int PortAttempts = 5;
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly SemaphoreSlim _turn = new(1);
    private KubernetesKeys? _keys;
    private LocalServer? _etcd;
    private LocalServer? _api;
    private LocalServer? _controllers;

    /// <summary>The loopback address of everything.</summary>
    public const string Host = "127.0.0.1";

    /// <summary>Certificates and keys; made by the first start.</summary>
    public KubernetesKeys Keys => _keys ??= KubernetesKeys.Ensure(Path.Combine(options.Folder, "keys"), _time, options.RunAs);

    /// <summary>The API server's address once it was started.</summary>
    public Uri Server => new(string.Create(CultureInfo.InvariantCulture, $"https://{Host}:{ApiPort}"));

    /// <summary>etcd's address for clients once it was started.</summary>
    public string EtcdUrl => string.Create(CultureInfo.InvariantCulture, $"https://{Host}:{EtcdPort}");

    /// <summary>An administrator's kubeconfig; written by the start.</summary>
    public string Kubeconfig => Path.Combine(options.Folder, "admin.kubeconfig");

    /// <summary>etcd's data.</summary>
    public string EtcdData => Path.Combine(options.Folder, "etcd");

    /// <summary>True while the API server lives.</summary>
    public bool IsRunning => _api?.IsAlive == true;

    /// <summary>The API server's port; 0 before the first start.</summary>
    public int ApiPort { get; private set; }

    private int EtcdPort { get; set; }

    private int PeerPort { get; set; }

    /// <summary>Starts etcd, API server and controllers, and returns when the API server says that it is ready.</summary>
    /// <exception cref="EngineException"><c>server-start-failed</c>, with the end of the log.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => InTurnAsync(() => LaunchOnFreePortsAsync(cancellationToken), cancellationToken);

    /// <summary>Stops controllers, API server and etcd, in this order.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => InTurnAsync(() => EndAllAsync(isKill: false, cancellationToken), cancellationToken);

    /// <summary>Stops the API server alone.</summary>
    public Task StopApiServerAsync(CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            await EndAsync(_api, isKill: false, cancellationToken).ConfigureAwait(false);
            _api = null;
        }, cancellationToken);

    /// <summary>Stops the controllers alone.</summary>
    public Task StopControllersAsync(CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            await EndAsync(_controllers, isKill: false, cancellationToken).ConfigureAwait(false);
            _controllers = null;
        }, cancellationToken);

    /// <summary>Ends everything by KILL, as a crash of the machine would.</summary>
    public Task KillAsync(CancellationToken cancellationToken) => InTurnAsync(() => EndAllAsync(isKill: true, cancellationToken), cancellationToken);

    /// <summary>Ends etcd by KILL.</summary>
    public Task KillEtcdAsync(CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            await EndAsync(_etcd, isKill: true, cancellationToken).ConfigureAwait(false);
            _etcd = null;
        }, cancellationToken);

    /// <summary>Starts what of it does not run.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken) => InTurnAsync(() => LaunchAsync(cancellationToken), cancellationToken);

    /// <summary>Ends it by KILL where it runs: what is thrown away needs no orderly end.</summary>
    public async ValueTask DisposeAsync() => await KillAsync(CancellationToken.None).ConfigureAwait(false);

    /// <summary>Who starts a part while another ends it would leave a process that nobody knows any more.</summary>
    private async Task InTurnAsync(Func<Task> act, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await act().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task LaunchOnFreePortsAsync(CancellationToken cancellationToken)
    {
        LocalFolder.CreatePassage(options.Folder);
        LocalFolder.GiveTo(options.Folder, options.RunAs);
        ReadPorts();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await LaunchAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (EngineException fault) when (attempt < PortAttempts && IsTakenPort(fault))
            {
                await EndAllAsync(isKill: false, CancellationToken.None).ConfigureAwait(false);
                (ApiPort, EtcdPort, PeerPort) = (0, 0, 0);
            }
        }
    }

    private async Task EndAllAsync(bool isKill, CancellationToken cancellationToken)
    {
        foreach (var server in (LocalServer?[])[_controllers, _api, _etcd])
        {
            await EndAsync(server, isKill, cancellationToken).ConfigureAwait(false);
        }

        (_controllers, _api, _etcd) = (null, null, null);
    }

    private async Task LaunchAsync(CancellationToken cancellationToken)
    {
        ApiPort = ApiPort == 0 ? FreePort.Choose() : ApiPort;
        EtcdPort = EtcdPort == 0 ? FreePort.Choose() : EtcdPort;
        PeerPort = PeerPort == 0 ? FreePort.Choose() : PeerPort;
        WriteKubeconfig();
        if (_etcd?.IsAlive != true)
        {
            LocalFolder.CreatePrivate(EtcdData, options.RunAs);
            RequireFree("etcd", EtcdPort, PeerPort);
            _etcd = Describe("etcd", options.Binaries.Etcd, EtcdArguments());
            await _etcd.StartAsync(token => AnswersAsync(EtcdUrl + "/health", token), cancellationToken).ConfigureAwait(false);
            await (options.OnStore?.Invoke(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        }

        if (_api?.IsAlive != true)
        {
            WriteTokens();
            RequireFree("api", ApiPort);
            _api = Describe("api", options.Binaries.ApiServer, ApiServerArguments());
            await _api.StartAsync(IsReadyAsync, cancellationToken).ConfigureAwait(false);
        }

        WritePorts();
        if (options.HasControllers && options.Binaries.ControllerManager is { } program && _controllers?.IsAlive != true)
        {
            var port = FreePort.Choose();
            _controllers = Describe("controllers", program, ControllerArguments(port));
            await _controllers.StartAsync(_ => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Somebody else on the port would answer in its place, and be taken for it.</summary>
    private void RequireFree(string part, params ReadOnlySpan<int> ports)
    {
        foreach (var port in ports)
        {
            if (FreePort.IsTaken(port))
            {
                throw new EngineException("port-in-use", ErrorKind.Conflict, $"port {port} of {part} of cluster {options.Name} is already in use on this machine", "start it again: another port is chosen");
            }
        }
    }

    private LocalServer Describe(string part, string program, IReadOnlyList<string> arguments) => new(
        new LocalServerOptions
        {
            Name = $"{options.Name}-{part}",
            Purpose = $"{part} of cluster {options.Name}",
            Command = new ToolCommand(program, arguments) { Purpose = $"{part} of cluster {options.Name}", RunAs = options.RunAs },
            LogFile = Path.Combine(options.Folder, part + ".log"),
            StartTimeout = options.StartTimeout,
        },
        registry,
        _time);

    private string[] EtcdArguments()
    {
        var peer = string.Create(CultureInfo.InvariantCulture, $"http://{Host}:{PeerPort}");
        return
        [
            "--name", "default", "--data-dir", EtcdData, "--listen-client-urls", EtcdUrl, "--advertise-client-urls", EtcdUrl,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
            "--cert-file", Keys.ServerCertificate, "--key-file", Keys.ServerKey, "--trusted-ca-file", Keys.Authority, "--client-cert-auth",
            // Throw-away clusters, and a lab: a power cut may take them.
            "--unsafe-no-fsync", "--log-level", "warn",
        ];
    }

    private List<string> ApiServerArguments() =>
    [
        $"--etcd-servers={EtcdUrl}", $"--etcd-cafile={Keys.Authority}", $"--etcd-certfile={Keys.AdminCertificate}", $"--etcd-keyfile={Keys.AdminKey}",
        $"--bind-address={Host}", $"--advertise-address={Host}", string.Create(CultureInfo.InvariantCulture, $"--secure-port={ApiPort}"),
        $"--tls-cert-file={Keys.ServerCertificate}", $"--tls-private-key-file={Keys.ServerKey}", $"--client-ca-file={Keys.Authority}",
        $"--token-auth-file={TokenFile}",
        "--service-account-issuer=https://kubernetes.default.svc", $"--service-account-key-file={Keys.TokenPublicKey}", $"--service-account-signing-key-file={Keys.TokenKey}",
        "--authorization-mode=RBAC", "--allow-privileged=true", "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
        .. options.ApiServerArguments,
    ];

    private string[] ControllerArguments(int port) =>
    [
        $"--kubeconfig={Kubeconfig}", $"--bind-address={Host}", string.Create(CultureInfo.InvariantCulture, $"--secure-port={port}"), "--port=0", "--leader-elect=false",
        "--use-service-account-credentials=true", $"--service-account-private-key-file={Keys.TokenKey}", $"--root-ca-file={Keys.Authority}",
        "--kube-api-qps=200", "--kube-api-burst=400", $"--controllers={options.Controllers}",
        // Where somebody waits for a claim to be bound, fifteen seconds are long.
        "--pvclaimbinder-sync-period=2s",
    ];

    private string TokenFile => Path.Combine(options.Folder, "tokens.csv");

    private void WriteTokens() => LocalFolder.WritePrivateFile(TokenFile, Encoding.UTF8.GetBytes(string.Join('\n', options.Tokens) + "\n"), options.RunAs);

    private void WriteKubeconfig()
    {
        static string Data(string file) => Convert.ToBase64String(File.ReadAllBytes(file));
        LocalFolder.WritePrivateFile(Kubeconfig, Encoding.UTF8.GetBytes($"""
            apiVersion: v1
            kind: Config
            clusters:
            - name: default
              cluster:
                server: {Server.GetLeftPart(UriPartial.Authority)}
                certificate-authority-data: {Data(Keys.Authority)}
            users:
            - name: admin
              user:
                client-certificate-data: {Data(Keys.AdminCertificate)}
                client-key-data: {Data(Keys.AdminKey)}
            contexts:
            - name: default
              context:
                cluster: default
                user: admin
            current-context: default

            """), options.RunAs);
    }

    private string PortsFile => Path.Combine(options.Folder, "ports");

    private void ReadPorts()
    {
        if (ApiPort == 0 && File.Exists(PortsFile))
        {
            // What is no three ports was cut short: new ones are chosen.
            var kept = File.ReadAllText(PortsFile).Split(' ').Select(text => ushort.TryParse(text, CultureInfo.InvariantCulture, out var port) ? port : 0).ToList();
            if (kept is [> 0 and var api, > 0 and var etcd, > 0 and var peer] && !kept.Any(FreePort.IsTaken))
            {
                (ApiPort, EtcdPort, PeerPort) = (api, etcd, peer);
            }
        }
    }

    private void WritePorts() =>
        LocalFolder.WritePrivateFile(PortsFile, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{ApiPort} {EtcdPort} {PeerPort}")));

    /// <summary>An API server calls itself ready before it has made the namespaces that every cluster has, and on a busy machine long before.</summary>
    private async Task<bool> IsReadyAsync(CancellationToken cancellationToken) => await AnswersAsync(Server + "readyz", cancellationToken).ConfigureAwait(false)
        && await AnswersAsync(Server + "api/v1/namespaces/default", cancellationToken).ConfigureAwait(false)
        && await AnswersAsync(Server + "api/v1/namespaces/kube-system", cancellationToken).ConfigureAwait(false);

    private async Task<bool> AnswersAsync(string url, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificates = [X509Certificate2.CreateFromPemFile(Keys.AdminCertificate, Keys.AdminKey)],
                CertificateChainPolicy = TrustedRoots.Of(Keys.Authority),
            },
        };
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var answer = await client.GetAsync(new Uri(url), cancellationToken).ConfigureAwait(false);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private static bool IsTakenPort(EngineException fault) =>
        fault.Code == "port-in-use" || fault.Message.Contains("address already in use", StringComparison.OrdinalIgnoreCase);

    private static async Task EndAsync(LocalServer? server, bool isKill, CancellationToken cancellationToken)
    {
        if (server is not null)
        {
            await (isKill ? server.KillAsync(cancellationToken) : server.StopAsync(cancellationToken)).ConfigureAwait(false);
        }
    }
}
