using System.Globalization;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>What a scratch folder leaves on a machine: processes, records, files. Removes it, and looks whether it is gone.</summary>
internal static class ScratchTraces
{
    /// <summary>Ends what runs in the folder, with the servers that work in folders below it, and removes all of it. Repeatable.</summary>
    public static async Task RemoveAsync(string root, string name, ProcessRegistry registry)
    {
        var path = PathOf(root, name);

        // The deepest first: nothing may still write into a folder that is being removed.
        foreach (var record in registry.List().Where(record => record.Name != name && IsBelow(record.Folder, path)).OrderByDescending(record => record.Folder!.Length))
        {
            await ScratchFolder.RemoveAsync(registry, record.Name).ConfigureAwait(false);
        }

        await ScratchFolder.RemoveAsync(registry, name).ConfigureAwait(false);

        // Where another process settled the record, or this one died before it was written.
        await LocalFolder.RemoveAsync(path, registry.Time, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>What is left, each a sentence; empty where nothing is.</summary>
    public static IReadOnlyList<string> Find(string root, string name, ProcessRegistry registry)
    {
        var path = PathOf(root, name);
        List<string> left = [];
        if (Path.Exists(path))
        {
            left.Add($"the folder {path} is there");
        }

        left.AddRange(registry.List().Where(record => record.Name == name || IsBelow(record.Folder, path)).Select(record => $"{record.Purpose} is still on record"));
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out _)))
        {
            if (WorksIn(process, path))
            {
                left.Add($"process {Path.GetFileName(process)} works in {path}");
            }
        }

        return left;
    }

    private static bool WorksIn(string process, string path)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline")).Contains(path, StringComparison.Ordinal)
                || (new DirectoryInfo(Path.Combine(process, "cwd")).LinkTarget is { } folder && (folder == path || IsBelow(folder, path)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or it is another user's: scratch servers are this one's, or this one is root.
            return false;
        }
    }

    private static string PathOf(string root, string name) => Path.Combine(Path.GetFullPath(root), name);

    private static bool IsBelow(string? folder, string path) => folder is not null && folder.StartsWith(path + "/", StringComparison.Ordinal);
}
