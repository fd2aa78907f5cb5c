using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>
/// Asks about a claim that is backed up from snapshots, whose volume this machine need not see: is it bound, and is nothing left of a
/// snapshot of it.
/// </summary>
internal sealed class ClaimProbe(HealthSubject subject, string name, ProbeKind kind, TimeSpan? every, Func<CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => kind;

    public TimeSpan? Every => every;

    /// <summary>The probes of a source.</summary>
    public static IEnumerable<IHealthProbe> Of(Source source, SnapshotLedger snapshots, TimeProvider time)
    {
        var subject = HealthSubject.Of(source);
        yield return new ClaimProbe(subject, "claim", ProbeKind.Reach, s_every, token => BoundAsync(source.Volume!, time, token));
        yield return new ClaimProbe(subject, "snapshots", ProbeKind.Query, null, _ => Task.FromResult(Left(source, snapshots)));
    }

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ask(cancellationToken);
        }
        catch (EngineException fault)
        {
            return new ProbeFinding(fault.Kind == ErrorKind.Denied ? ProbeAnswer.Denied : ProbeAnswer.Refused, fault.Message, fault.Code);
        }
    }

    private static async Task<ProbeFinding> BoundAsync(VolumeSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        if (settings.Node is { } node && !File.Exists(settings.Claim!.Kubeconfig))
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, $"only the agent of node {node} has the kubeconfig of its cluster");
        }

        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(settings.Claim!.Kubeconfig), time: time);
        var (_, volume) = await ClaimPlace.ReadAsync(api, settings.Claim, cancellationToken);
        return new ProbeFinding(ProbeAnswer.Answered, $"{settings.Claim} is bound to {volume.Name} ({volume.Provider})");
    }

    private static ProbeFinding Left(Source source, SnapshotLedger snapshots) => snapshots.Find(source.Name) is { } record && (record.IsGivenUp || !record.Owner.IsAlive())
        ? new ProbeFinding(ProbeAnswer.Refused, $"{record.Name}, made for a snapshot in namespace {record.Namespace}, is left; this removes it: {record.RemoveCommand}", "snapshot-left")
        : new ProbeFinding(ProbeAnswer.Answered, source.Volume!.Node is null ? "nothing is left of a snapshot" : "nothing is left of a snapshot on this machine; what the node's agent left is its own to see");
}
