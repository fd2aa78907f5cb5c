using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads the configuration's tiers.</summary>
internal static class TierConfiguration
{
    private const int MostMbit = 1_000_000;

    /// <summary>All tiers; the data folder's own hot tier where none is configured.</summary>
    /// <param name="reader">The section that holds <c>Tiers</c>; every mistake is reported to it.</param>
    /// <param name="data">The data folder.</param>
    public static List<StorageTier> Read(ConfigurationReader reader, string data)
    {
        var tiers = new List<StorageTier>();
        foreach (var entry in reader.Items("Tiers"))
        {
            entry.AllowOnly("Name", "Store", "PruneStore", "KeyFile", "Location", "UploadMbitPerSecond", "DownloadMbitPerSecond", "RetrySeconds");
            var name = entry.RequiredText("Name");
            if (name.Length > 0 && !EstateConfiguration.NameShape().IsMatch(name))
            {
                entry.Problem("Name", $"'{name}' is not a name; use lower-case letters, digits, '.', '_' and '-'");
            }

            var keyFile = entry.FilePath("KeyFile");
            if (keyFile is null)
            {
                entry.Problem("KeyFile", "is missing; name a file whose first line is the repository's passphrase");
            }
            else if (!File.Exists(keyFile))
            {
                entry.Problem("KeyFile", $"there is no file {keyFile}");
            }

            var store = ReadStore(entry, "Store", entry.RequiredText("Store"));
            tiers.Add(new StorageTier(name, store, keyFile ?? "", entry.Text("Location"))
            {
                PruneStore = ReadPruneStore(entry, store),
                UploadMbitPerSecond = entry.OptionalNumber("UploadMbitPerSecond", 1, MostMbit),
                DownloadMbitPerSecond = entry.OptionalNumber("DownloadMbitPerSecond", 1, MostMbit),
                RetrySeconds = entry.OptionalNumber("RetrySeconds", 0, 86_400),
            });
        }

        if (tiers.Count == 0)
        {
            // Without any configuration the data folder itself holds the hot tier, and its key is made at the first start.
            tiers.Add(new StorageTier("hot", new Uri(Path.Combine(data, "tiers", "hot")).AbsoluteUri, Path.Combine(data, "keys", "repository.key"), "this machine"));
        }

        return tiers;
    }

    /// <summary>
    /// Two tiers in one place would count as two copies and be lost as one; a tier inside another's directory also counts what
    /// is not its own.
    /// </summary>
    public static void ReportOverlaps(IReadOnlyList<StorageTier> tiers, List<string> problems)
    {
        var places = tiers.Where(tier => tier.Store.Length > 0).Select(tier => (Tier: tier, Url: StoreUrl.Parse(tier.Store))).Select(one => (one.Tier, one.Url, one.Url.Place)).ToList();
        for (var later = 1; later < places.Count; later++)
        {
            foreach (var earlier in places.Take(later))
            {
                var (one, other) = (earlier.Place, places[later].Place);
                if (one == other)
                {
                    problems.Add($"DrConsole:Tiers: the store '{earlier.Url.Display}' is given 2 times, as '{earlier.Tier.Name}' and as '{places[later].Tier.Name}'");
                }
                else if (one.StartsWith(other + "/", StringComparison.Ordinal) || other.StartsWith(one + "/", StringComparison.Ordinal))
                {
                    problems.Add($"DrConsole:Tiers: of '{earlier.Tier.Name}' and '{places[later].Tier.Name}' one store lies inside the other; give each a place of its own");
                }
            }
        }
    }

    /// <summary>Other credentials for the same place; anything else would prune what is not the tier's.</summary>
    private static string? ReadPruneStore(ConfigurationReader entry, string store)
    {
        if (entry.Text("PruneStore") is not { } text || ReadStore(entry, "PruneStore", text) is not { Length: > 0 } prune || store.Length == 0)
        {
            return null;
        }

        var (one, other) = (StoreUrl.Parse(store), StoreUrl.Parse(prune));
        if (one.Place != other.Place)
        {
            entry.Problem("PruneStore", $"is another place ({other.Display}) than Store ({one.Display}); only the credentials may differ");
        }
        else if (one.LocalFolder is not null)
        {
            entry.Problem("PruneStore", "is a local directory, which has no credentials of its own; leave it out");
        }
        else if (store == prune)
        {
            entry.Problem("PruneStore", "is the same as Store; name other credentials in it, or leave it out");
        }

        return prune;
    }

    private static string ReadStore(ConfigurationReader entry, string key, string text)
    {
        if (text.Length == 0)
        {
            return "";
        }

        try
        {
            var url = StoreUrl.Parse(text, entry.FolderOf(key));
            foreach (var (option, path) in url.Files.Where(file => !File.Exists(file.Path)))
            {
                entry.Problem(key, $"there is no file {path} ({option})");
            }

            return url.ToString();
        }
        catch (EngineException fault)
        {
            entry.Problem(key, $"{fault.Message}; {fault.Hint}");
            return "";
        }
    }
}
