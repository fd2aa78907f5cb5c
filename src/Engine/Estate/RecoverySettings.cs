namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>What stops and starts a source's service.</summary>
public enum ServiceDriver
{
    /// <summary>pg_ctl on the data directory.</summary>
    PgCtl,

    /// <summary>A unit of systemd.</summary>
    Systemd,

    /// <summary>Commands of the operators' own.</summary>
    Command,

    /// <summary>A workload of Kubernetes, by its replicas.</summary>
    Kubernetes,
}

/// <summary>A kind of workload that has replicas.</summary>
public enum WorkloadKind
{
    StatefulSet,
    Deployment,
}

/// <summary>A workload of Kubernetes that is a source's service.</summary>
/// <param name="Kubeconfig">Reaches its cluster.</param>
/// <param name="Namespace">Where it is.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its name.</param>
/// <param name="Replicas">How many it is started with where it had none when it was stopped; null: then it is not started.</param>
public sealed record KubernetesWorkload(string Kubeconfig, string Namespace, WorkloadKind Kind, string Name, int? Replicas);

/// <summary>A Service of Kubernetes whose clients are led elsewhere by another selector.</summary>
/// <param name="Kubeconfig">Reaches its cluster.</param>
/// <param name="Namespace">Where it is.</param>
/// <param name="Service">Its name.</param>
/// <param name="Selector">The labels of the Pods that it leads to after the switch, all of them, by key.</param>
public sealed record ServiceSwitch(string Kubeconfig, string Namespace, string Service, IReadOnlyDictionary<string, string> Selector)
{
    /// <summary>The labels of the Pods that clients are led back to by a plan for that; null where no plan does. Not in the text of older plans.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? SelectorBack { get; init; }
}

/// <summary>How a source's service is stopped and started.</summary>
/// <param name="Driver">Decides which of the others is set.</param>
/// <param name="Unit">Of <see cref="ServiceDriver.Systemd"/>.</param>
/// <param name="Start">Of <see cref="ServiceDriver.Command"/>: program and arguments; no shell reads them.</param>
/// <param name="Stop">Likewise; must succeed on a service that is stopped.</param>
/// <param name="Status">Likewise; exit code 0 where it runs.</param>
public sealed record ServiceSettings(
    ServiceDriver Driver, string? Unit = null, IReadOnlyList<string>? Start = null, IReadOnlyList<string>? Stop = null, IReadOnlyList<string>? Status = null)
{
    /// <summary>Of <see cref="ServiceDriver.Kubernetes"/>. Not in the text of plans with another driver.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull)]
    public KubernetesWorkload? Workload { get; init; }
}

/// <summary>What operators ask of a source after a recovery. One of the three is set.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Sql">A query of one value.</param>
/// <param name="Http">A URL to get.</param>
/// <param name="Command">A program with arguments, in which <c>{host}</c>, <c>{port}</c>, <c>{database}</c> and <c>{user}</c> stand for the recovered server; exit code 0 is a yes.</param>
/// <param name="Expected">The value as text, or the HTTP status; null: any value, or 200.</param>
public sealed record OperatorCheck(string Name, string? Sql = null, string? Http = null, IReadOnlyList<string>? Command = null, string? Expected = null)
{
    /// <summary>
    /// True where it asks the server whose address it is given, so that a drill can ask it of a scratch server: a query, or a command
    /// whose words name <c>{host}</c>. An HTTP address, or a command without it, would ask the living service.
    /// </summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool AsksWhereItIsTold => Sql is not null || (Command?.Any(word => word.Contains("{host}", StringComparison.Ordinal)) ?? false);
}

/// <summary>How a source is recovered in place.</summary>
/// <param name="Service">Null where none is configured: pg_ctl where its data directory is known, else nothing can stop it.</param>
/// <param name="Checks">In order.</param>
/// <param name="SwitchTraffic">A command that leads its clients to the recovered service; null for none.</param>
/// <param name="SwitchBack">The command that takes that back.</param>
public sealed record RecoverySettings(ServiceSettings? Service, IReadOnlyList<OperatorCheck> Checks, IReadOnlyList<string>? SwitchTraffic, IReadOnlyList<string>? SwitchBack)
{
    /// <summary>A Service whose selector leads its clients there instead of a command; null for none.</summary>
    public ServiceSwitch? SwitchService { get; init; }

    /// <summary>Nothing is configured.</summary>
    public static RecoverySettings None { get; } = new(null, [], null, null);
}
