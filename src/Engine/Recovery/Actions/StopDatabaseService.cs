using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>How a service ran before it was stopped.</summary>
/// <param name="WasRunning">Whether it ran at all.</param>
/// <param name="Options">What it was started with.</param>
public sealed record ServiceSnapshot(bool WasRunning, IReadOnlyList<string> Options);

/// <summary>Stops the service of a database, or of what uses a volume, so that nothing writes any more. Undone by starting it again where it ran.</summary>
public sealed class StopDatabaseService(ServiceControls controls) : IRecoveryAction
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    /// <summary>The operators' own command may hang, as one does that asks a host which is gone; a plan is wanted just then.</summary>
    private static readonly TimeSpan s_lookPatience = TimeSpan.FromSeconds(10);

    public const string ActionName = "stop_database_service";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.Always;

    public string? NotInDrills => "it would stop the living service, and in a scratch folder nothing runs that could be stopped";

    public bool ActsOn(RecoveryTarget target) => target.Service is not null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
        [controls.For(target).StopText];

    /// <summary>
    /// Also whether the service is the one that is meant: a data directory, a unit or a command that is not of the server at this address
    /// says that nothing runs, which would be found only once it is to be stopped.
    /// </summary>
    public async Task<ActionOutlook> LookAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_lookPatience);
        try
        {
            return await LookOnceAsync(target, controls.For(target), patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new ActionOutlook([$"the service did not say within {s_lookPatience.TotalSeconds:0} s whether it runs"], []);
        }
    }

    private static async Task<ActionOutlook> LookOnceAsync(RecoveryTarget target, IServiceControl service, CancellationToken cancellationToken)
    {
        var outlook = await service.LookAsync(cancellationToken);
        if (outlook.Obstacles.Count > 0 || target is { Host.Length: 0 } or { Scratch: not null } or { Service.Driver: ServiceDriver.Kubernetes })
        {
            return outlook;
        }

        try
        {
            return await service.IsRunningAsync(cancellationToken) || !await AnswersAsync(target, cancellationToken)
                ? outlook
                : new ActionOutlook(outlook.Notes, [$"{target.Host}:{target.Port} takes connections, and by Recovery:Service ({target.Service?.Driver.ToString().ToLowerInvariant()}) no service runs: it is not the one of this server"]);
        }
        catch (EngineException fault)
        {
            return new ActionOutlook(outlook.Notes, [fault.Message]);
        }
    }

    public async Task<JsonElement> CaptureAsync(ActionContext context)
    {
        var service = controls.For(context.Target, context.Scratch);
        return ActionContext.Data(new ServiceSnapshot(await service.IsRunningAsync(context.Cancellation), await service.ReadOptionsAsync(context.Cancellation)));
    }

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        await controls.For(context.Target, context.Scratch).StopAsync(context.Log, context.Cancellation);
        return new StepEffect("the service is stopped");
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public async Task<StepVerification> VerifyAsync(ActionContext context)
    {
        if (await controls.For(context.Target, context.Scratch).IsRunningAsync(context.Cancellation))
        {
            return new StepVerification(false, "the service runs again: something else starts it (a supervisor, an HA layer); stop that first");
        }

        if (context.Target.Host.Length == 0)
        {
            return new StepVerification(true, "the service says that it does not run");
        }

        // A server that the driver does not see (in a container, by another spelling of its path) would go on writing.
        if (await WhyNotAskedAsync(context.Target, context.Cancellation) is { } why)
        {
            return new StepVerification(true, $"the service says that it does not run; whether {context.Target.Host} takes connections could not be asked: {why}");
        }

        return await AnswersAsync(context.Target, context.Cancellation)
            ? new StepVerification(false, $"{context.Target.Host}:{context.Target.Port} still takes connections, so that another server runs there than the one that was stopped")
            : new StepVerification(true, "the service does not run, and its address takes no connection");
    }

    /// <summary>Why nobody can tell whether something answers at the target's address; null where it can be asked.</summary>
    private static async Task<string?> WhyNotAskedAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        if (IsSocketFolder(target.Host))
        {
            return null;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            await Dns.GetHostAddressesAsync(target.Host, patience.Token);
            return null;
        }
        catch (SocketException fault)
        {
            return fault.Message;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"its name was not resolved within {s_patience.TotalSeconds:0} s";
        }
    }

    /// <summary>As PostgreSQL's clients have it: a host that begins with a slash is the folder of the server's socket.</summary>
    private static bool IsSocketFolder(string host) => host.StartsWith('/');

    private static async Task<bool> AnswersAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        using var client = IsSocketFolder(target.Host) ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await (IsSocketFolder(target.Host)
                ? client.ConnectAsync(new UnixDomainSocketEndPoint(FormattableString.Invariant($"{target.Host.TrimEnd('/')}/.s.PGSQL.{target.Port}")), patience.Token)
                : client.ConnectAsync(target.Host, target.Port, patience.Token));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    public async Task<string> RollBackAsync(ActionContext context)
    {
        if (context.SnapshotOf<ServiceSnapshot>(Name) is not { } before)
        {
            throw new EngineException("service-by-hand", ErrorKind.Conflict, "a person stopped the service in place of this step, and nobody looked whether it ran before", "start it by hand where it should run");
        }

        if (!before.WasRunning)
        {
            return "the service did not run before; it stays stopped";
        }

        await controls.For(context.Target, context.Scratch).BringBackAsync(before.Options, context.Log, context.Cancellation);
        return "the service runs again as before";
    }
}
