using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab.Kubernetes;
using Hexabase.DrConsole.Lab.Mail;
using Hexabase.DrConsole.Lab.Postgres;
using Hexabase.DrConsole.Lab.Redis;
using Hexabase.DrConsole.Lab.Stores;
using Hexabase.DrConsole.Lab.Volumes;

namespace Hexabase.DrConsole.Lab;

/// <summary>The configuration file by which a console protects this lab. Secrets are named by file, never written into it.</summary>
public static class LabConfiguration
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <param name="stores">The tiers that are not directories of the lab; all are, where null.</param>
    /// <param name="mailPort">Where the lab's mail server listens; null: nobody is notified.</param>
    /// <param name="kubernetes">The virtual clusters to protect; none, where null.</param>
    /// <param name="redis">The cache; no source, where null.</param>
    /// <param name="hasClaim">True where the host cluster has the claim of an application, and takes snapshots of it.</param>
    public static void Write(LabFolder folder, LabPostgres postgres, LabStores? stores = null, int? mailPort = null, LabKubernetes? kubernetes = null, LabRedis? redis = null, bool hasClaim = false) =>
        LocalFolder.WritePrivateFile(folder.ConfigurationFile, Encoding.UTF8.GetBytes(ToJson(folder, postgres, stores, mailPort, kubernetes, redis, hasClaim) + "\n"));

    private static string ToJson(LabFolder folder, LabPostgres postgres, LabStores? stores, int? mailPort, LabKubernetes? kubernetes, LabRedis? redis, bool hasClaim) => JsonSerializer.Serialize(
        new
        {
            DrConsole = new
            {
                DataDirectory = "data",
                Tiers = Tiers(folder, stores),
                Sources = (object[])
                [
                    Source("orders", "logical", postgres, null), Source("orders-cluster", "physical", postgres, postgres.DataFolder), Uploads(),
                    .. (kubernetes?.Clusters ?? []).Select(cluster => VirtualCluster(kubernetes!, cluster)),
                    .. hasClaim ? new[] { Invoices(kubernetes!) } : [],
                    .. redis is null ? [] : new[] { Source(redis) },
                ],
                Notifications = mailPort is { } port ? new { Channels = new[] { MailChannel(port) } } : null,
            },
        },
        s_json);

    private static object MailChannel(int port) => new
    {
        Name = "lab-mail",
        Kind = "email",
        Minimum = "info",
        Email = new { LabMail.Host, Port = port, Security = "none", From = "drconsole@lab.example", To = new[] { "on-call@lab.example" } },
    };

    private static object Source(string name, string mode, LabPostgres postgres, string? dataDirectory) => new
    {
        Name = name,
        Kind = "postgres",
        Class = "critical",
        Workspace = "shop",
        Postgres = new
        {
            LabPostgres.Host,
            postgres.Port,
            Database = LabPostgres.Orders,
            Username = LabPostgres.BackupRole,
            PasswordFile = "keys/orders.pw",
            Mode = mode,
            DataDirectory = dataDirectory,
            Heartbeat = dataDirectory is null ? null : new { Seconds = 5 },
            Tables = Array.Empty<string>(),
        },
    };

    private static object Source(LabRedis redis) => new
    {
        Name = "cache",
        Kind = "redis",
        Class = "critical",
        Workspace = "shop",
        Redis = new { LabRedis.Host, redis.Port, Username = LabRedis.BackupUser, PasswordFile = "keys/cache.pw", DataDirectory = redis.DataFolder },
        Recovery = new { Service = new { Driver = "command", Start = Control(redis, "start"), Stop = Control(redis, "stop"), Status = Control(redis, "status") } },
    };

    private static string[] Control(LabRedis redis, string what) => ["/bin/sh", redis.ServiceFile, what];

    private static object VirtualCluster(LabKubernetes kubernetes, LabVirtualCluster cluster) => new
    {
        cluster.Name,
        Kind = "vcluster",
        Class = "important",
        Workspace = cluster.Name,
        VCluster = new
        {
            cluster.Namespace,
            kubernetes.Host.Kubeconfig,
            cluster.DataDirectory,
            cluster.VolumesDirectory,
            Etcd = new
            {
                Endpoint = cluster.ControlPlane.EtcdUrl,
                CertificateAuthority = cluster.ControlPlane.Keys.Authority,
                Certificate = cluster.ControlPlane.Keys.AdminCertificate,
                Key = cluster.ControlPlane.Keys.AdminKey,
            },
        },
    };

    private static object Uploads() => new
    {
        Name = LabVolume.Name,
        Kind = "volume",
        Class = "important",
        Workspace = "shop",
        Volume = new { Path = LabVolume.Name, Exclude = new[] { "*.tmp" } },
    };

    private static object Invoices(LabKubernetes kubernetes) => new
    {
        LabClaim.Name,
        Kind = "volume",
        Class = "important",
        Workspace = "shop",
        Volume = new
        {
            Claim = new { kubernetes.Host.Kubeconfig, LabClaim.Namespace, LabClaim.Name, kubernetes.VolumesDirectory },
            Snapshot = new { Class = SnapshotKinds.Usual },
        },
    };

    private static List<object> Tiers(LabFolder folder, LabStores? stores)
    {
        List<object> tiers = [Tier("hot", Directory(folder, "hot"), "local"), Tier("warm", stores?.Warm ?? Directory(folder, "warm"), stores?.Warm is null ? "local" : "object storage")];
        if (stores?.Cold is { } cold)
        {
            tiers.Add(Tier("cold", cold, "remote site"));
        }

        return tiers;
    }

    private static string Directory(LabFolder folder, string name) => new Uri(folder.Combine("tiers", name)).AbsoluteUri;

    private static object Tier(string name, string store, string location) => new { Name = name, Store = store, KeyFile = "keys/repository.key", Location = location };
}
