namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>An object store that holds a repository per workspace.</summary>
/// <param name="Name"><c>hot</c>, <c>warm</c> or <c>cold</c>, or the operators' own word.</param>
/// <param name="Store">The store's URL.</param>
/// <param name="KeyFile">Absolute path of the file that holds the passphrase.</param>
/// <param name="Location">Where it stands, in the operators' words; null where nobody said.</param>
public sealed record StorageTier(string Name, string Store, string KeyFile, string? Location)
{
    /// <summary>How much may be sent to it, in megabits per second for this process; null for no bound.</summary>
    public int? UploadMbitPerSecond { get; init; }

    /// <summary>How much may be fetched from it, in megabits per second for this process; null for no bound.</summary>
    public int? DownloadMbitPerSecond { get; init; }

    /// <summary>
    /// How long a call that failed for a reason that may pass is made again, in seconds; 0 for never, null for the usual: a
    /// minute for a store behind a network, never for a directory.
    /// </summary>
    public int? RetrySeconds { get; init; }

    /// <summary>
    /// The URL of the same place with the credentials that may delete, so that <see cref="Store"/>'s need not; null where one
    /// role does everything.
    /// </summary>
    public string? PruneStore { get; init; }

    /// <summary>The tier as the runs see it that delete: retention, key rotation, shredding.</summary>
    public StorageTier ForPrune => PruneStore is null ? this : this with { Store = PruneStore, PruneStore = null };

    /// <summary>The URL of one workspace's repository in this tier.</summary>
    public string RepositoryUrl(string workspace)
    {
        var query = Store.IndexOf('?', StringComparison.Ordinal);
        var path = (query < 0 ? Store : Store[..query]).TrimEnd('/');
        return $"{path}/{workspace}{(query < 0 ? "" : Store[query..])}";
    }
}
