using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>The directories of one restore in place; their names say how far it came.</summary>
/// <param name="Living">The store that the cluster runs on.</param>
/// <param name="Fresh">The restored one, until it takes that place.</param>
/// <param name="Former">The one that had that place before.</param>
/// <param name="Undone">The restored one that a way back has taken out of that place again.</param>
internal sealed record StorePlaces(string Living, string Fresh, string Former, string Undone)
{
    /// <summary>What the fresh one is made of.</summary>
    public string Snapshot => Fresh + ".snapshot";

    /// <summary>Keys and log of the etcd that runs over the fresh one for a moment.</summary>
    public string Work => Fresh + ".work";

    /// <summary>True where both renames have taken place: the cluster may have run on the restored store.</summary>
    public bool IsExchanged => Directory.Exists(Former) && Directory.Exists(Living) && !Directory.Exists(Fresh);

    /// <summary>True where a way back was interrupted between its two renames.</summary>
    public bool IsGoingBack => Directory.Exists(Former) && !Directory.Exists(Living) && !Directory.Exists(Fresh);

    /// <summary>Restored stores that a way back has kept.</summary>
    public IReadOnlyList<string> Kept =>
        [.. Directory.GetDirectories(Path.GetDirectoryName(Living)!, Path.GetFileName(Undone) + "*").Order(StringComparer.Ordinal)];

    public static StorePlaces Of(string store, string operation)
    {
        var mark = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)).AsSpan(0, 6));
        var living = Path.Combine(store, "etcd");
        return new StorePlaces(living, $"{living}.restored-{mark}", $"{living}.before-{mark}", $"{living}.undone-{mark}");
    }

    public void Exchange()
    {
        if (!Directory.Exists(Former))
        {
            Directory.Move(Living, Former);
        }

        if (!Directory.Exists(Living))
        {
            Directory.Move(Fresh, Living);
        }

        LocalFolder.Flush(Path.GetDirectoryName(Living)!);
    }

    /// <summary>A restored store that was in its place is kept under a name of its own: tenants may have written into it since, and nobody else has that.</summary>
    public void ExchangeBack()
    {
        if (Directory.Exists(Living))
        {
            Directory.Move(Living, Kept is { Count: > 0 } earlier ? $"{Undone}-{earlier.Count + 1}" : Undone);
        }

        Directory.Move(Former, Living);
        LocalFolder.Flush(Path.GetDirectoryName(Living)!);
    }
}
