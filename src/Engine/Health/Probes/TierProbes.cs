using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>The probes of the tiers: the way there, a call of the store's own, and the space left where it stands on this machine.</summary>
public sealed class TierProbes(TierRepositories tiers, ProtectedEstate estate) : IProbeSource
{
    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; } = [.. tiers.Tiers.SelectMany(tier => Of(tier, tiers, estate.Health))];

    private static IEnumerable<IHealthProbe> Of(StorageTier tier, TierRepositories tiers, HealthSettings health)
    {
        var subject = HealthSubject.Of(tier);
        var url = StoreUrl.Parse(tier.Store);
        if (HealthSubject.EndpointOf(url) is { } at)
        {
            yield return new TcpProbe(subject, at.Host, at.Port);
            yield return new StoreProbe(subject, tier, tiers);
        }
        else if (url.LocalFolder is { } folder)
        {
            yield return new FolderProbe(subject, folder);
            yield return new StoreProbe(subject, tier, tiers);
            yield return new DiskProbe(subject, Directory.Exists(folder) ? folder : null, health.MinimumFreePercent);
        }
    }
}

/// <summary>Is the directory of a tier there?</summary>
internal sealed class FolderProbe(HealthSubject subject, string folder) : IHealthProbe
{
    private volatile bool _wasThere;

    public HealthSubject Subject => subject;

    public string Name => "folder";

    public ProbeKind Kind => ProbeKind.Reach;

    /// <inheritdoc/>
    public Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (Directory.Exists(folder))
        {
            _wasThere = true;
            return Task.FromResult(ProbeFinding.Answered);
        }

        // Before the first backup there is none; one that was there and is gone is on a disk that is gone.
        return Task.FromResult(_wasThere
            ? new ProbeFinding(ProbeAnswer.NoAnswer, $"{folder} is gone")
            : new ProbeFinding(ProbeAnswer.NotDetectable, $"{folder} does not exist: nothing was written there yet, or its disk is not mounted"));
    }
}

/// <summary>Asks a tier's store for one object, which need not be there.</summary>
internal sealed class StoreProbe(HealthSubject subject, StorageTier tier, TierRepositories tiers) : IHealthProbe
{
    private const string AnyKey = "health/probe";

    public HealthSubject Subject => subject;

    public string Name => "store";

    public ProbeKind Kind => ProbeKind.Query;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var store = tiers.LookAt(tier);
            await store.StatAsync(AnyKey, cancellationToken);
            return ProbeFinding.Answered;
        }
        catch (EngineException fault)
        {
            return new ProbeFinding(fault.Kind == ErrorKind.Denied ? ProbeAnswer.Denied : ProbeAnswer.NoAnswer, fault.Message, fault.Code);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new ProbeFinding(ProbeAnswer.NoAnswer, fault.Message);
        }
    }
}
