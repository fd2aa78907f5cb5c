using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>Stops and starts the service of a target. Stopping one that is stopped and starting one that runs change nothing.</summary>
public interface IServiceControl
{
    /// <summary>The commands that it will give, for the plan.</summary>
    string StopText { get; }

    string StartText { get; }

    /// <summary>True where it runs.</summary>
    Task<bool> IsRunningAsync(CancellationToken cancellationToken);

    /// <summary>What it was started with and a start after this must give again: options, or a number of replicas. Empty where the driver knows by itself.</summary>
    Task<IReadOnlyList<string>> ReadOptionsAsync(CancellationToken cancellationToken);

    /// <exception cref="EngineException"><c>service-stop</c>: it still runs.</exception>
    Task StopAsync(Action<string> log, CancellationToken cancellationToken);

    /// <exception cref="EngineException"><c>service-start</c>, with the end of its log.</exception>
    Task StartAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken);

    /// <summary>Undoes a stop: brings it back as it was, which need not be in order.</summary>
    /// <exception cref="EngineException">As <see cref="StartAsync"/>.</exception>
    Task BringBackAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken) => StartAsync(options, log, cancellationToken);

    /// <summary>How it stands now; changes nothing.</summary>
    Task<ActionOutlook> LookAsync(CancellationToken cancellationToken) => Task.FromResult(ActionOutlook.Nothing);
}

/// <summary>Makes the control that a target's settings ask for.</summary>
public sealed class ServiceControls(ProcessRegistry registry)
{
    /// <summary>The control of a target.</summary>
    /// <param name="target">The server.</param>
    /// <param name="scratch">In a drill, while it is carried out: its folder.</param>
    public IServiceControl For(RecoveryTarget target, ScratchFolder? scratch = null) => target.Service switch
    {
        // Before all others: a drill controls nothing but its own server, whatever else its target says.
        _ when target.Scratch is { } place => new ScratchService(place, target.DataDirectory, scratch, registry),
        { Driver: ServiceDriver.PgCtl } => new PgCtlService(target.DataDirectory, registry),
        { Driver: ServiceDriver.Systemd, Unit: { } unit } => new CommandService(
            ["systemctl", "start", unit], ["systemctl", "stop", unit], ["systemctl", "is-active", "--quiet", unit], registry, unit),
        { Driver: ServiceDriver.Kubernetes, Workload: { } workload } => new KubernetesService(workload, registry.Time),
        { Start: { } start, Stop: { } stop, Status: { } status } => new CommandService(start, stop, status, registry),
        _ => throw new System.Diagnostics.UnreachableException("the configuration was checked when it was read"),
    };
}
