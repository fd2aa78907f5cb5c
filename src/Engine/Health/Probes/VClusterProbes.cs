using System.Globalization;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>The probes of virtual clusters. All of them are answered by the rights that a backup needs.</summary>
public sealed class VClusterProbes : IProbeSource, IDisposable
{
    private readonly IReadOnlyList<VClusterProbe> _asking;

    /// <summary>Describes them; asks nothing.</summary>
    public VClusterProbes(ProtectedEstate estate, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(estate);
        var clusters = estate.Sources.Where(source => source.VCluster is not null).ToList();
        _asking = [.. clusters.SelectMany(source => Of(HealthSubject.Of(source), source.VCluster!, time))];
        Probes =
        [
            .. clusters.Where(source => source.VCluster!.Server is not null)
                .Select(source => new TcpProbe(HealthSubject.Of(source), source.VCluster!.Server!.Host, source.VCluster.Server.Port)),
            .. _asking,
            .. clusters.Select(source => new VClusterHostProbe(HealthSubject.Of(source), source.VCluster!, time)),
        ];
    }

    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; }

    /// <summary>Closes the connections.</summary>
    public void Dispose()
    {
        foreach (var probe in _asking)
        {
            probe.Dispose();
        }
    }

    private static IEnumerable<VClusterProbe> Of(HealthSubject subject, VClusterSettings settings, TimeProvider time)
    {
        yield return new VClusterProbe(subject, "readyz", ProbeKind.Protocol, settings, time, ReadyAsync);
        yield return new VClusterProbe(subject, "namespaces", ProbeKind.Query, settings, time, NamespacesAsync);
    }

    private static async Task<ProbeFinding> ReadyAsync(KubeApi api, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, "/readyz", null, null, cancellationToken);
        return answer.IsSuccess ? new ProbeFinding(ProbeAnswer.Answered, $"{api.Address} is ready") : Unwell(answer);
    }

    /// <summary>A list of one needs the API server, its store and the right to list.</summary>
    private static async Task<ProbeFinding> NamespacesAsync(KubeApi api, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, "/api/v1/namespaces?limit=1", null, null, cancellationToken);
        return answer.IsSuccess ? new ProbeFinding(ProbeAnswer.Answered, "its store answers a list") : Unwell(answer);
    }

    private static ProbeFinding Unwell(KubeAnswer answer) => new(
        answer.Status is 401 or 403 ? ProbeAnswer.Denied : ProbeAnswer.Refused, answer.Message, answer.Status.ToString(CultureInfo.InvariantCulture));
}

/// <summary>
/// Asks a virtual cluster's API server something. The way there, found through the host, is kept from round to round; after a
/// fault it is found anew, since the cluster may have got other keys, and the host says what it knows of the fault.
/// </summary>
internal sealed class VClusterProbe(
    HealthSubject subject, string name, ProbeKind kind, VClusterSettings settings, TimeProvider time, Func<KubeApi, CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe, IDisposable
{
    private KubeApi? _api;

    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => kind;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        var wasOpen = _api is not null;
        try
        {
            return await ask(_api ??= await OpenAsync(cancellationToken), cancellationToken);
        }
        catch (EngineException fault) when (wasOpen)
        {
            Dispose();
            return await ExplainAsync(fault, cancellationToken);
        }
        catch (EngineException fault)
        {
            Dispose();
            return Of(fault);
        }
        catch (OperationCanceledException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Closes the connection; the next question opens another.</summary>
    public void Dispose()
    {
        _api?.Dispose();
        _api = null;
    }

    private async Task<KubeApi> OpenAsync(CancellationToken cancellationToken)
    {
        using var access = await VClusterAccess.OpenAsync(settings, time, cancellationToken);
        RefuseStopped(access);
        return await access.OpenVirtualAsync(settings, time, cancellationToken);
    }

    /// <summary>The host's view, where it gives one: a cluster that somebody stopped is another matter than one that died.</summary>
    private async Task<ProbeFinding> ExplainAsync(EngineException fault, CancellationToken cancellationToken)
    {
        try
        {
            using var access = await VClusterAccess.OpenAsync(settings, time, cancellationToken);
            RefuseStopped(access);
            return Of(fault);
        }
        catch (EngineException better)
        {
            return Of(better);
        }
    }

    private static void RefuseStopped(VClusterAccess access)
    {
        if (access.Found["spec"]?["replicas"]?.GetValue<int>() == 0)
        {
            throw new EngineException("vcluster-stopped", ErrorKind.Unavailable, $"{access.Name} is scaled to 0 replicas on its host", "vcluster resume starts it again");
        }
    }

    private static ProbeFinding Of(EngineException fault) => new(
        fault switch
        {
            { Kind: ErrorKind.Denied or ErrorKind.Input } => ProbeAnswer.Denied,
            { Code: "vcluster-stopped" } or { Kind: ErrorKind.NotFound } => ProbeAnswer.Refused,
            _ when IsRefused(fault) => ProbeAnswer.Refused,
            _ => ProbeAnswer.NoAnswer,
        },
        fault.Message, fault.Code);

    private static bool IsRefused(Exception fault)
    {
        for (var inner = fault.InnerException; inner is not null; inner = inner.InnerException)
        {
            if (inner is SocketException { SocketErrorCode: SocketError.ConnectionRefused })
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Asks the host of a virtual cluster for its workload: whatever it says, the way to the host works.</summary>
internal sealed class VClusterHostProbe(HealthSubject subject, VClusterSettings settings, TimeProvider time) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => "host";

    public ProbeKind Kind => ProbeKind.Host;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var access = await VClusterAccess.OpenAsync(settings, time, cancellationToken);
            return new ProbeFinding(ProbeAnswer.Answered, string.Create(
                CultureInfo.InvariantCulture, $"{access.Host.Address} has {access.Name} with {access.Found["status"]?["readyReplicas"]?.GetValue<int>() ?? 0} of {access.Found["spec"]?["replicas"]?.GetValue<int>() ?? 1} ready"));
        }
        catch (EngineException fault)
        {
            return new ProbeFinding(
                fault switch
                {
                    { Kind: ErrorKind.Denied } => ProbeAnswer.Denied,
                    // It answers, and has no such workload.
                    { Code: "vcluster-missing" or "vcluster-ambiguous" } => ProbeAnswer.Answered,
                    { Kind: ErrorKind.Unavailable } => ProbeAnswer.NoAnswer,
                    _ => ProbeAnswer.NotDetectable,
                }, fault.Message, fault.Code);
        }
    }
}
