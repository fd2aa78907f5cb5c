namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>What an object's key may look like, whatever the store.</summary>
internal static class ObjectKey
{
    /// <summary>The folder of half-written objects in stores that are directories; never part of a key.</summary>
    public const string TemporaryFolder = "tmp";

    /// <summary>A file system's own folder where the store is its root: only its administrator may look into it. Never part of a key.</summary>
    public const string LostAndFound = "lost+found";

    /// <exception cref="ArgumentException">It is none: a bug of the caller.</exception>
    public static string Check(string key)
    {
        foreach (var letter in key)
        {
            if (!char.IsAsciiLetterLower(letter) && !char.IsAsciiDigit(letter) && letter is not ('-' or '_' or '.' or '/'))
            {
                throw new ArgumentException($"'{key}' is no object key", nameof(key));
            }
        }

        return key.Length == 0 || key.StartsWith('/') || key.EndsWith('/') || key.Split('/').Any(part => part is "" or "." or "..")
            || IsTemporary(key)
                ? throw new ArgumentException($"'{key}' is no object key", nameof(key))
                : key;
    }

    public static bool IsTemporary(string key) => key.StartsWith(TemporaryFolder + "/", StringComparison.Ordinal);
}
