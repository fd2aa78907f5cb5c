using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>Fills a cluster with what tenants have: applications with their settings, Secrets and rights, and custom resources with owners and finalizers.</summary>
public static class ClusterPopulation
{
    /// <summary>The group of the custom resources.</summary>
    public const string Group = "lab.hexabase.example";

    private static readonly KubeResource s_databases = new(Group, "v1", "databases", "Database", true);
    private static readonly KubeResource s_snapshots = new(Group, "v1", "databasesnapshots", "DatabaseSnapshot", true);

    /// <summary>Creates everything; what is there already stays as it is. Returns how many objects were made.</summary>
    public static async Task<int> FillAsync(KubeApi api, PopulationSize size, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(api);
        ArgumentNullException.ThrowIfNull(size);
        var made = 0;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken };
        foreach (var definition in new[] { Definition(s_databases, isWithStatus: true), Definition(s_snapshots, isWithStatus: false) })
        {
            made += await CreateAsync(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition, cancellationToken).ConfigureAwait(false);
        }

        await Parallel.ForAsync(0, size.Namespaces, parallel, async (at, token) =>
        {
            var ns = NamespaceOf(at);
            var count = await CreateAsync(api, "/api/v1/namespaces", TenantObjects.Namespace(ns, at), token).ConfigureAwait(false);
            foreach (var (path, body) in ObjectsOf(ns, size))
            {
                count += await CreateAsync(api, path, body, token).ConfigureAwait(false);
            }

            Interlocked.Add(ref made, count);
        }).ConfigureAwait(false);
        await WaitServedAsync(api, cancellationToken).ConfigureAwait(false);
        await Parallel.ForAsync(0, size.CustomResources / 2, parallel, async (at, token) =>
        {
            Interlocked.Add(ref made, await CreatePairAsync(api, NamespaceOf(at % size.Namespaces), at, token).ConfigureAwait(false));
        }).ConfigureAwait(false);
        return made;
    }

    /// <summary>The name of the tenant's namespace of that number.</summary>
    public static string NamespaceOf(int at) => string.Create(CultureInfo.InvariantCulture, $"team-{at:0000}");

    private static IEnumerable<(string Path, JsonObject Body)> ObjectsOf(string ns, PopulationSize size)
    {
        for (var at = 0; at < size.Applications; at++)
        {
            foreach (var found in TenantObjects.Application(ns, at))
            {
                yield return found;
            }
        }

        for (var at = 0; at < size.Settings; at++)
        {
            yield return ($"/api/v1/namespaces/{ns}/configmaps", TenantObjects.Settings(ns, at));
        }
    }

    private static async Task<int> CreatePairAsync(KubeApi api, string ns, int at, CancellationToken cancellationToken)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"db-{at:000}");
        var owner = new JsonObject
        {
            ["apiVersion"] = s_databases.ApiVersion,
            ["kind"] = s_databases.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = ns, ["finalizers"] = new JsonArray($"{Group}/protect") },
            ["spec"] = new JsonObject
            {
                ["engine"] = "postgres",
                ["replicas"] = at % 3,
                ["limit"] = 9007199254740993L,
                ["ratio"] = JsonNode.Parse("1.50"),
                ["note"] = "データベース: \"0755\"",
            },
        };
        var made = await CreateAsync(api, s_databases.PathOf(ns), owner, cancellationToken).ConfigureAwait(false);
        var stored = await api.GetAsync(s_databases.PathOf(ns, name), cancellationToken).ConfigureAwait(false);
        var owned = new JsonObject
        {
            ["apiVersion"] = s_snapshots.ApiVersion,
            ["kind"] = s_snapshots.Kind,
            ["metadata"] = new JsonObject
            {
                ["name"] = name + "-nightly",
                ["namespace"] = ns,
                ["ownerReferences"] = new JsonArray(new JsonObject
                {
                    ["apiVersion"] = s_databases.ApiVersion,
                    ["kind"] = s_databases.Kind,
                    ["name"] = name,
                    ["uid"] = stored["metadata"]!["uid"]!.GetValue<string>(),
                    ["controller"] = true,
                }),
            },
            ["spec"] = new JsonObject { ["schedule"] = "0 3 * * *", ["keep"] = 7 },
        };
        return made + await CreateAsync(api, s_snapshots.PathOf(ns), owned, cancellationToken).ConfigureAwait(false);
    }

    private static JsonObject Definition(KubeResource resource, bool isWithStatus)
    {
        var version = new JsonObject
        {
            ["name"] = resource.Version,
            ["served"] = true,
            ["storage"] = true,
            ["schema"] = new JsonObject
            {
                ["openAPIV3Schema"] = new JsonObject
                {
                    ["type"] = "object",
                    ["properties"] = new JsonObject
                    {
                        ["spec"] = new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
                        ["status"] = new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
                    },
                },
            },
        };
        if (isWithStatus)
        {
            version["subresources"] = new JsonObject { ["status"] = new JsonObject() };
        }

        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{resource.Plural}.{Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = Group,
                ["scope"] = "Namespaced",
                ["names"] = new JsonObject { ["plural"] = resource.Plural, ["singular"] = resource.Kind.ToLowerInvariant(), ["kind"] = resource.Kind, ["listKind"] = resource.Kind + "List" },
                ["versions"] = new JsonArray(version),
            },
        };
    }

    /// <summary>A definition is accepted before its kind can be used.</summary>
    private static async Task WaitServedAsync(KubeApi api, CancellationToken cancellationToken)
    {
        foreach (var resource in new[] { s_databases, s_snapshots })
        {
            while (await api.FindAsync(resource.PathOf(null), cancellationToken).ConfigureAwait(false) is null)
            {
                await Task.Delay(100, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    internal static async Task<int> CreateAsync(KubeApi api, string path, JsonObject body, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.CreateAsync(path, body, false, cancellationToken).ConfigureAwait(false);
            if (answer.IsSuccess)
            {
                return 1;
            }

            if (answer.Reason == "AlreadyExists")
            {
                return 0;
            }

            // Defaults of a namespace that was made a moment ago (its service account, its quota) come a little later.
            if (attempt == 20 || answer.Status is not (403 or 404 or >= 500))
            {
                throw new EngineException("lab-object-refused", ErrorKind.Unavailable, $"{path} does not take {body["metadata"]?["name"]}: {answer.Message}", "look at the API server's log");
            }

            await Task.Delay(250, cancellationToken).ConfigureAwait(false);
        }
    }

    internal static string Password(string seed) => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(seed)));
}
