using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a retention run is asked for.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="AllowedShare">The largest share of restore points, or of stored bytes, that may go at once, 0 to 1; null for the default.</param>
public sealed record RetentionRequest(string Tier, double? AllowedShare = null);

/// <summary>The door for work on tiers, next to <see cref="RunRequests"/> for sources and restore points.</summary>
public sealed class TierRequests(RunRequests requests)
{
    /// <summary>Asks to give up what retention keeps no longer in a tier.</summary>
    /// <param name="allowedShare">What a person allows to go at once, 0 to 1; null for the default.</param>
    /// <exception cref="EngineException">Unknown tier, a share out of range, or a retention run that is still open there.</exception>
    public Task<Run> RetentionAsync(string tier, double? allowedShare, string actor, CancellationToken cancellationToken) =>
        allowedShare is < 0 or > 1 or double.NaN
            ? throw new EngineException("share-invalid", ErrorKind.Input, "the allowed share is a number from 0 to 1", "1 allows everything that nothing keeps.")
            : requests.OfTierAsync(RunKinds.Retention, tier, new RetentionRequest(tier, allowedShare), actor, cancellationToken);
}
