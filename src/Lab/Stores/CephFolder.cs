using System.Globalization;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Stores;

/// <summary>The folder of a Ceph of one monitor and one store: its configuration, and what is made before its first start.</summary>
internal sealed class CephFolder
{
    private readonly string _path;
    private readonly string _cluster;
    private readonly bool _keepsData;
    private readonly ProcessRegistry _registry;

    private CephFolder(string path, string cluster, int monitorPort, int gatewayPort, int encryptedPort, bool keepsData, ProcessRegistry registry)
    {
        (_path, _cluster, _keepsData, _registry) = (path, cluster, keepsData, registry);
        (MonitorPort, GatewayPort, EncryptedPort) = (monitorPort, gatewayPort, encryptedPort);
        Certificates = new LabCertificates(Path.Combine(path, "tls"));
    }

    public int MonitorPort { get; }

    public int GatewayPort { get; }

    /// <summary>Where the gateway speaks TLS; 0 in a folder that an older lab made and that keeps its data.</summary>
    public int EncryptedPort { get; }

    public LabCertificates Certificates { get; }

    public string Configuration => Path.Combine(_path, "ceph.conf");

    public string Logs => Path.Combine(_path, "log");

    /// <summary>Takes a folder that keeps its data as it is; makes any other anew.</summary>
    public static async Task<CephFolder> PrepareAsync(string path, bool keepsData, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var identity = Path.Combine(path, "identity");
        if (!keepsData || !File.Exists(identity))
        {
            await LocalFolder.RemoveAsync(path, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            foreach (var part in new[] { "mon", "osd", "rgw", "run", "log" })
            {
                LocalFolder.CreatePrivate(Path.Combine(path, part));
            }

            var made = new CephFolder(path, Guid.NewGuid().ToString(), FreePort.Choose(), FreePort.Choose(), FreePort.Choose(), keepsData, registry);
            await made.MakeAsync(cancellationToken).ConfigureAwait(false);
            // Last: a folder whose making was cut off is made again.
            await File.WriteAllLinesAsync(identity, [made._cluster, Number(made.MonitorPort), Number(made.GatewayPort), Number(made.EncryptedPort)], cancellationToken).ConfigureAwait(false);
            return made;
        }

        var lines = await File.ReadAllLinesAsync(identity, cancellationToken).ConfigureAwait(false);
        return new CephFolder(
            path, lines[0], Port(1), Port(2), Port(3), keepsData, registry);

        int Port(int line) => line < lines.Length ? int.Parse(lines[line], CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>Makes the store where it is missing; the monitor must run.</summary>
    /// <returns>The store's number.</returns>
    public async Task<string> EnsureStoreAsync(CancellationToken cancellationToken)
    {
        var whoami = Path.Combine(_path, "osd", "whoami");
        if (File.Exists(whoami))
        {
            return (await File.ReadAllTextAsync(whoami, cancellationToken).ConfigureAwait(false)).Trim();
        }

        var uuid = Guid.NewGuid().ToString();
        var id = (await RunAsync("ceph", ["osd", "new", uuid], cancellationToken).ConfigureAwait(false)).Trim();
        await RunAsync("ceph-osd", ["--mkfs", "-i", id, "--osd-uuid", uuid], cancellationToken).ConfigureAwait(false);
        return id;
    }

    public Task AdminAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) => RunAsync("radosgw-admin", ["-n", "client.rgw", .. arguments], cancellationToken);

    public async Task<bool> TryAdminAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        (await ToolProcess.RunAsync(new ToolCommand("radosgw-admin", ["-n", "client.rgw", .. arguments, "-c", Configuration]), _registry, cancellationToken).ConfigureAwait(false)).ExitCode == 0;

    private async Task MakeAsync(CancellationToken cancellationToken)
    {
        Certificates.Make(TimeProvider.System);
        await File.WriteAllTextAsync(Configuration, Text(), cancellationToken).ConfigureAwait(false);
        var map = Path.Combine(_path, "monmap");
        await RunAsync("monmaptool", ["--create", "--clobber", "--fsid", _cluster, "--addv", "a", $"[v2:127.0.0.1:{Number(MonitorPort)}]", map], cancellationToken).ConfigureAwait(false);
        await RunAsync("ceph-mon", ["--mkfs", "-i", "a", "--monmap", map], cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> all = program == "monmaptool" ? arguments : [.. arguments, "-c", Configuration];
        var result = await ToolProcess.RunAsync(new ToolCommand(program, all), _registry, cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0
            ? result.Output
            : throw new EngineException("server-start-failed", ErrorKind.Unavailable, $"{program} failed: {result.ErrorTail}", $"look at {Logs}");
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    // Without "crc" between client and monitor the gateway hangs; the two paxos lines bring the start from 11 s to 1 s.
    private string Text() => $"""
        [global]
        fsid = {_cluster}
        mon host = [v2:127.0.0.1:{Number(MonitorPort)}/0]
        mon initial members = a
        public addr = 127.0.0.1
        cluster addr = 127.0.0.1
        ms bind msgr1 = false
        auth cluster required = none
        auth service required = none
        auth client required = none
        ms mon client mode = crc
        osd pool default size = 1
        osd pool default min size = 1
        osd pool default pg num = 4
        osd pool default pgp num = 4
        osd pool default pg autoscale mode = off
        osd crush chooseleaf type = 0
        mon allow pool size one = true
        mon allow pool delete = true
        mon max pg per osd = 1000
        run dir = {_path}/run
        admin socket = {_path}/run/$cluster-$name.asok
        pid file = {_path}/run/$name.pid
        log file = {Logs}/$name.log
        mon cluster log file = {Logs}/cluster.log
        log to stderr = false
        err to stderr = false
        [mon]
        mon data = {_path}/mon
        mon data avail warn = 1
        mon data avail crit = 0
        paxos propose interval = 0.05
        paxos min wait = 0.01
        auth allow insecure global id reclaim = false
        [osd]
        osd data = {_path}/osd
        osd objectstore = {(_keepsData ? "bluestore" : "memstore")}
        memstore device bytes = 4294967296
        bluestore block size = 10737418240
        osd memory target = 939524096
        osd op num shards = 2
        [client.rgw]
        rgw data = {_path}/rgw
        rgw frontends = beast endpoint=127.0.0.1:{Number(GatewayPort)} ssl_endpoint=127.0.0.1:{Number(EncryptedPort)} ssl_certificate={Certificates.Server} ssl_private_key={Certificates.ServerKey} tcp_nodelay=1
        rgw thread pool size = 64
        rgw bucket quota ttl = 0
        rgw user quota bucket sync interval = 1

        """;
}
