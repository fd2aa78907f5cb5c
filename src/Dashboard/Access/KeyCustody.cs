using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Whether anybody confirmed that a key is kept elsewhere.</summary>
public enum CustodyState
{
    /// <summary>Confirmed, and the key is still the one that was meant.</summary>
    Confirmed,

    /// <summary>Nobody said so yet.</summary>
    Never,

    /// <summary>Somebody did, of another key than the file holds now.</summary>
    KeyChanged,

    /// <summary>The key file cannot be read, so nothing can be said.</summary>
    Unreadable,
}

/// <summary>How one key file stands.</summary>
/// <param name="Tiers">The tiers that it opens.</param>
/// <param name="Last">The last confirmation, or null.</param>
/// <param name="Fault">Why it cannot be read, or null.</param>
public sealed record KeyStanding(string KeyFile, IReadOnlyList<string> Tiers, CustodyState State, KeyCustodyRow? Last, string? Fault = null);

/// <summary>
/// Asks until an admin has confirmed that each repository key is kept outside this machine, and again when the key changed. The
/// catalog keeps a salted Argon2id digest of the key, which costs as much to guess from as the key slots in the stores.
/// </summary>
public sealed class KeyCustody(KeyCustodyCatalog catalog, PasswordHasher hasher, ProtectedEstate estate)
{
    /// <summary>Digests take a while: one is compared once for each state of a file.</summary>
    private readonly ConcurrentDictionary<(string File, long Length, DateTime WrittenAt, string Digest), bool> _compared = [];

    /// <summary>Somebody confirmed.</summary>
    public event Action? Changed;

    /// <summary>Every key file of the configuration.</summary>
    public async Task<IReadOnlyList<KeyStanding>> ReadAsync(CancellationToken cancellationToken)
    {
        var last = (await catalog.LastAsync(cancellationToken)).ToDictionary(row => row.KeyFile);
        var found = new List<KeyStanding>();
        foreach (var tiers in estate.Tiers.GroupBy(tier => tier.KeyFile))
        {
            var row = last.GetValueOrDefault(tiers.Key);
            found.Add(await StandingAsync(tiers.Key, [.. tiers.Select(tier => tier.Name)], row, cancellationToken));
        }

        return found;
    }

    /// <summary>Writes an admin's word down.</summary>
    /// <exception cref="EngineException">No such key file, it cannot be read, or the place was not said.</exception>
    public async Task ConfirmAsync(string keyFile, string keptAt, string actor, CancellationToken cancellationToken)
    {
        if (!estate.Tiers.Any(tier => tier.KeyFile == keyFile))
        {
            throw new EngineException("key-file-unknown", ErrorKind.NotFound, $"no tier uses the key file {keyFile}", "Look at the Settings page again.");
        }

        string key;
        try
        {
            key = await SecretFile.ReadAsync(keyFile, cancellationToken);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("key-file-unreadable", ErrorKind.Denied, $"the key file {keyFile} cannot be read: {fault.Message}", "Put it back, or let the console read it.", fault);
        }

        await catalog.ConfirmAsync(keyFile, hasher.Hash(key), keptAt, actor, cancellationToken);
        Changed?.Invoke();
    }

    private async Task<KeyStanding> StandingAsync(string file, IReadOnlyList<string> tiers, KeyCustodyRow? row, CancellationToken cancellationToken)
    {
        try
        {
            var info = new FileInfo(file);
            var state = (info.FullName, info.Length, info.LastWriteTimeUtc, row?.KeyDigest ?? "");
            if (row is null)
            {
                return new KeyStanding(file, tiers, CustodyState.Never, null);
            }

            if (!_compared.TryGetValue(state, out var isSame))
            {
                _compared[state] = isSame = hasher.Verify(row.KeyDigest, await SecretFile.ReadAsync(file, cancellationToken));
            }

            return new KeyStanding(file, tiers, isSame ? CustodyState.Confirmed : CustodyState.KeyChanged, row);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new KeyStanding(file, tiers, CustodyState.Unreadable, row, fault.Message);
        }
    }
}
