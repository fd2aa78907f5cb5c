namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>An object store that holds a repository per workspace.</summary>
/// <param name="Name"><c>hot</c>, <c>warm</c> or <c>cold</c>, or the operators' own word.</param>
/// <param name="Store">The store's URL.</param>
/// <param name="KeyFile">Absolute path of the file that holds the passphrase.</param>
/// <param name="Location">Where it stands, in the operators' words; null where nobody said.</param>
public sealed record StorageTier(string Name, string Store, string KeyFile, string? Location)
{
    /// <summary>The URL of one workspace's repository in this tier.</summary>
    public string RepositoryUrl(string workspace)
    {
        var query = Store.IndexOf('?', StringComparison.Ordinal);
        var path = (query < 0 ? Store : Store[..query]).TrimEnd('/');
        return $"{path}/{workspace}{(query < 0 ? "" : Store[query..])}";
    }
}
