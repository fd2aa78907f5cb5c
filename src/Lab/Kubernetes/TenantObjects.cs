using System.Globalization;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>The objects of a tenant's applications, as charts make them.</summary>
internal static class TenantObjects
{
    internal static JsonObject Namespace(string name, int at) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Namespace",
        ["metadata"] = new JsonObject
        {
            ["name"] = name,
            ["labels"] = new JsonObject { ["team"] = name, ["stage"] = at % 2 == 0 ? "production" : "staging" },
            ["annotations"] = new JsonObject { ["hexabase.example/owner"] = "開発チーム 🚀" },
        },
    };

    internal static JsonObject Settings(string ns, int at) => Object("v1", "ConfigMap", ns, string.Create(CultureInfo.InvariantCulture, $"settings-{at}"), null, value =>
        value["data"] = new JsonObject
        {
            ["app.properties"] = $"team={ns}\nretries=3\nmode=\"0755\"\r\nlimit=1e3\n",
            ["start.sh"] = "#!/bin/sh\nset -eu\nexec /app/serve --port \"$PORT\"\n",
            ["on"] = "yes",
        });

    /// <summary>Nine objects of one application.</summary>
    internal static IEnumerable<(string Path, JsonObject Body)> Application(string ns, int at)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"app-{at}");
        var labels = new JsonObject { ["app.kubernetes.io/name"] = name, ["app.kubernetes.io/managed-by"] = "Helm" };
        yield return ($"/api/v1/namespaces/{ns}/serviceaccounts", Object("v1", "ServiceAccount", ns, name, labels, _ => { }));
        yield return ($"/api/v1/namespaces/{ns}/configmaps", Object("v1", "ConfigMap", ns, name, labels, value =>
            value["data"] = new JsonObject { ["LOG_LEVEL"] = "info", ["FEATURES"] = "[\"a\", \"b\"]", ["nginx.conf"] = $"server {{\n  listen 8080;\n  server_name {name}.{ns}.example;\n}}\n" }));
        yield return ($"/api/v1/namespaces/{ns}/secrets", Object("v1", "Secret", ns, name, labels, value =>
        {
            value["type"] = "Opaque";
            value["data"] = new JsonObject { ["password"] = ClusterPopulation.Password($"{ns}/{name}"), ["user"] = "YXBw" };
        }));
        yield return ($"/apis/apps/v1/namespaces/{ns}/deployments", Object("apps/v1", "Deployment", ns, name, labels, value => value["spec"] = Deployment(name)));
        yield return ($"/api/v1/namespaces/{ns}/services", Object("v1", "Service", ns, name, labels, value => value["spec"] = new JsonObject
        {
            ["selector"] = new JsonObject { ["app"] = name },
            ["ports"] = new JsonArray(new JsonObject { ["name"] = "http", ["port"] = 80, ["targetPort"] = "http", ["protocol"] = "TCP" }),
        }));
        yield return ($"/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses", Object("networking.k8s.io/v1", "Ingress", ns, name, labels, value => value["spec"] = Ingress(ns, name)));
        yield return ($"/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies", Object("networking.k8s.io/v1", "NetworkPolicy", ns, name, labels, value => value["spec"] = new JsonObject
        {
            ["podSelector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = name } },
            ["policyTypes"] = new JsonArray("Ingress"),
        }));
        yield return ($"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", Object("rbac.authorization.k8s.io/v1", "Role", ns, name, labels, value =>
            value["rules"] = new JsonArray(new JsonObject { ["apiGroups"] = new JsonArray(""), ["resources"] = new JsonArray("configmaps"), ["verbs"] = new JsonArray("get", "list") })));
        yield return ($"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", Object("rbac.authorization.k8s.io/v1", "RoleBinding", ns, name, labels, value =>
        {
            value["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "Role", ["name"] = name };
            value["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = name, ["namespace"] = ns });
        }));
    }

    internal static JsonObject Object(string apiVersion, string kind, string? ns, string name, JsonObject? labels, Action<JsonObject> fill)
    {
        var metadata = new JsonObject { ["name"] = name };
        if (ns is not null)
        {
            metadata["namespace"] = ns;
        }

        if (labels is not null)
        {
            metadata["labels"] = labels.DeepClone();
        }

        var value = new JsonObject { ["apiVersion"] = apiVersion, ["kind"] = kind, ["metadata"] = metadata };
        fill(value);
        return value;
    }

    private static JsonObject Deployment(string name) => new()
    {
        // Nothing runs Pods here: none are asked for, so that none wait for ever.
        ["replicas"] = 0,
        ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = name } },
        ["template"] = new JsonObject
        {
            ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["app"] = name } },
            ["spec"] = new JsonObject
            {
                ["serviceAccountName"] = name,
                ["containers"] = new JsonArray(new JsonObject
                {
                    ["name"] = "app",
                    ["image"] = $"registry.example/{name}:1.4.2",
                    ["ports"] = new JsonArray(new JsonObject { ["name"] = "http", ["containerPort"] = 8080 }),
                    ["envFrom"] = new JsonArray(new JsonObject { ["configMapRef"] = new JsonObject { ["name"] = name } }),
                    ["env"] = new JsonArray(new JsonObject { ["name"] = "MODE", ["value"] = "0755" }),
                    ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["cpu"] = "100m", ["memory"] = "128Mi" } },
                }),
            },
        },
    };

    private static JsonObject Ingress(string ns, string name) => new()
    {
        ["rules"] = new JsonArray(new JsonObject
        {
            ["host"] = $"{name}.{ns}.example",
            ["http"] = new JsonObject
            {
                ["paths"] = new JsonArray(new JsonObject
                {
                    ["path"] = "/",
                    ["pathType"] = "Prefix",
                    ["backend"] = new JsonObject { ["service"] = new JsonObject { ["name"] = name, ["port"] = new JsonObject { ["name"] = "http" } } },
                }),
            },
        }),
    };
}
