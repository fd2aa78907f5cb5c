using System.Globalization;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads a source's <c>Recovery</c>: how it is stopped and started, and what is asked of it when it is back.</summary>
internal static partial class RecoveryConfiguration
{
    private const int MostReplicas = 1000;

    private const int LongestLabel = 63;

    public static RecoverySettings Read(ConfigurationReader source)
    {
        if (!source.Has("Recovery"))
        {
            return RecoverySettings.None;
        }

        var settings = source.Section("Recovery");
        settings.AllowOnly("Service", "Checks", "SwitchTraffic", "SwitchBack", "SwitchService");
        var there = settings.Words("SwitchTraffic");
        var back = settings.Words("SwitchBack");
        if ((there is null) != (back is null))
        {
            settings.Problem(there is null ? "SwitchTraffic" : "SwitchBack", "is missing; traffic that is switched must be switched back where the recovery is undone");
        }

        if (settings.Has("SwitchService") && (there ?? back) is not null)
        {
            settings.Problem("SwitchService", "is another way to switch traffic than SwitchTraffic and SwitchBack; keep one of the two");
        }

        return new RecoverySettings(
            settings.Has("Service") ? ReadService(settings.Section("Service")) : null, [.. settings.Items("Checks").Select(ReadCheck)], there, back)
        {
            SwitchService = settings.Has("SwitchService") ? ReadSwitch(settings.Section("SwitchService")) : null,
        };
    }

    private static ServiceSettings? ReadService(ConfigurationReader service)
    {
        string[] ofCommands = ["Unit", "Start", "Stop", "Status"];
        string[] ofWorkloads = ["Kubeconfig", "Namespace", "Workload", "Replicas"];
        service.AllowOnly(["Driver", .. ofCommands, .. ofWorkloads]);
        if (service.Choice<ServiceDriver>("Driver", null) is not { } driver)
        {
            return null;
        }

        foreach (var key in (driver == ServiceDriver.Kubernetes ? ofCommands : ofWorkloads).Where(service.Has))
        {
            service.Problem(key, $"does not belong to driver {driver.ToString().ToLowerInvariant()}");
        }

        if (driver == ServiceDriver.Kubernetes)
        {
            return new ServiceSettings(driver) { Workload = ReadWorkload(service) };
        }

        var settings = new ServiceSettings(driver, service.Text("Unit"), service.Words("Start"), service.Words("Stop"), service.Words("Status"));
        if (driver == ServiceDriver.Systemd)
        {
            service.RequiredText("Unit");
        }

        if (driver == ServiceDriver.Command)
        {
            foreach (var (key, words) in new[] { ("Start", settings.Start), ("Stop", settings.Stop), ("Status", settings.Status) })
            {
                if (words is null)
                {
                    service.Problem(key, "is missing; write program and arguments as a list");
                }
            }
        }

        return settings;
    }

    private static KubernetesWorkload ReadWorkload(ConfigurationReader service)
    {
        var text = service.RequiredText("Workload");
        var (word, name) = text.Split('/', 2) is [var before, var after] ? (before, after) : (text, "");
        WorkloadKind? kind = Enum.GetValues<WorkloadKind>().Where(one => one.ToString().Equals(word, StringComparison.OrdinalIgnoreCase)).Select(one => (WorkloadKind?)one).FirstOrDefault();
        if (text.Length > 0 && (kind is null || !KubernetesPlace.ObjectName().IsMatch(name)))
        {
            service.Problem("Workload", $"'{text}' is no workload; write statefulset/NAME or deployment/NAME");
        }

        var (kubeconfig, ns) = KubernetesPlace.Read(service);
        return new KubernetesWorkload(kubeconfig, ns, kind ?? default, name, service.OptionalNumber("Replicas", 1, MostReplicas));
    }

    private static ServiceSwitch ReadSwitch(ConfigurationReader settings)
    {
        settings.AllowOnly("Kubeconfig", "Namespace", "Service", "Selector", "SelectorBack");
        var name = settings.RequiredText("Service");
        if (name.Length > 0 && !KubernetesPlace.LabelName().IsMatch(name))
        {
            settings.Problem("Service", $"'{name}' is no name of a Service");
        }

        var selector = ReadLabels(settings, "Selector");
        if (selector.Count == 0)
        {
            settings.Problem("Selector", "is missing; name the labels of the Pods that the Service is to lead to, for example { \"app\": \"shop\", \"site\": \"b\" }");
        }

        var (kubeconfig, ns) = KubernetesPlace.Read(settings);
        return new ServiceSwitch(kubeconfig, ns, name, selector) { SelectorBack = ReadLabels(settings, "SelectorBack") is { Count: > 0 } back ? back : null };
    }

    private static SortedDictionary<string, string> ReadLabels(ConfigurationReader settings, string key)
    {
        var labels = settings.Section(key);
        var selector = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var label in settings.Items(key))
        {
            selector[label.Key] = labels.Text(label.Key) ?? "";
            if (!LabelKey().IsMatch(label.Key) || selector[label.Key].Length > LongestLabel || !LabelValue().IsMatch(selector[label.Key]))
            {
                labels.Problem(label.Key, $"'{label.Key}={selector[label.Key]}' is no label of Kubernetes");
            }
        }

        return selector;
    }

    private static OperatorCheck ReadCheck(ConfigurationReader check)
    {
        check.AllowOnly("Name", "Sql", "Http", "Command", "Expected");
        var one = new OperatorCheck(check.RequiredText("Name"), check.Text("Sql"), check.Text("Http"), check.Words("Command"), check.Text("Expected"));
        if (new object?[] { one.Sql, one.Http, one.Command }.Count(way => way is not null) != 1)
        {
            check.Problem("Sql", "one of Sql, Http and Command is needed, and only one");
        }

        if (one.Http is not null && !(Uri.TryCreate(one.Http, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"))
        {
            check.Problem("Http", $"'{one.Http}' is no http or https address");
        }

        if (one is { Http: not null, Expected: { } status } && !(int.TryParse(status, CultureInfo.InvariantCulture, out var number) && number is >= 100 and <= 599))
        {
            check.Problem("Expected", $"'{status}' is no HTTP status");
        }

        return one;
    }

    [GeneratedRegex(@"^([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\z")]
    private static partial Regex LabelKey();

    [GeneratedRegex(@"^([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?\z")]
    private static partial Regex LabelValue();
}
