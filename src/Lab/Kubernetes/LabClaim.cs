using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>A claim of an application on the host cluster, bound to a directory with files in it.</summary>
public static class LabClaim
{
    /// <summary>The application's namespace.</summary>
    public const string Namespace = "shop";

    /// <summary>The claim's name.</summary>
    public const string Name = "invoices";

    private const string Volume = "pv-shop-invoices";
    private const int Files = 300;

    /// <summary>Makes namespace, volume, claim and files; what is there stays.</summary>
    internal static async Task CreateAsync(KubeApi api, string volumes, CancellationToken cancellationToken)
    {
        var directory = Path.Combine(volumes, Volume);
        if (!Directory.Exists(directory))
        {
            LocalFolder.CreatePassage(directory);
            for (var at = 0; at < Files; at++)
            {
                var file = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"2026-{1 + (at % 12):00}"), string.Create(CultureInfo.InvariantCulture, $"invoice-{at:0000}.txt"));
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                await File.WriteAllTextAsync(file, string.Create(CultureInfo.InvariantCulture, $"Invoice {at}\nTotal {at * 17 % 1000} EUR\n"), cancellationToken).ConfigureAwait(false);
            }
        }

        JsonObject Size() => new() { ["storage"] = "1Gi" };
        await ClusterPopulation.CreateAsync(api, "/api/v1/namespaces", TenantObjects.Object("v1", "Namespace", null, Namespace, null, _ => { }), cancellationToken).ConfigureAwait(false);
        await ClusterPopulation.CreateAsync(api, "/api/v1/persistentvolumes", TenantObjects.Object("v1", "PersistentVolume", null, Volume, null, value =>
        {
            value["spec"] = new JsonObject
            {
                ["capacity"] = Size(),
                ["accessModes"] = new JsonArray("ReadWriteOnce"),
                ["persistentVolumeReclaimPolicy"] = "Retain",
                ["claimRef"] = new JsonObject { ["namespace"] = Namespace, ["name"] = Name },
            };
            LabSnapshots.SetDirectory(value["spec"]!, isMounted: false, directory);
        }), cancellationToken).ConfigureAwait(false);
        await ClusterPopulation.CreateAsync(api, $"/api/v1/namespaces/{Namespace}/persistentvolumeclaims", TenantObjects.Object("v1", "PersistentVolumeClaim", Namespace, Name, null, value => value["spec"] = new JsonObject
        {
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["resources"] = new JsonObject { ["requests"] = Size() },
            ["volumeName"] = Volume,
            ["storageClassName"] = "",
        }), cancellationToken).ConfigureAwait(false);
    }
}
