namespace Hexabase.DrConsole.Benchmarks;

/// <summary>How large a tree is.</summary>
internal sealed record TreeFacts(int Files, long Bytes)
{
    private static readonly EnumerationOptions Everything = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };

    public static TreeFacts Of(string tree)
    {
        var files = Items(tree).Where(item => item is FileInfo { LinkTarget: null }).Cast<FileInfo>().ToList();
        return new TreeFacts(files.Count, files.Sum(file => file.Length));
    }

    /// <summary>The first difference between two trees in names, lengths, times and link targets, or null.</summary>
    public static string? Difference(string expected, string actual)
    {
        var left = Items(expected).ToDictionary(item => Path.GetRelativePath(expected, item.FullName), Describe);
        var right = Items(actual).ToDictionary(item => Path.GetRelativePath(actual, item.FullName), Describe);
        if (left.Keys.Except(right.Keys).FirstOrDefault() is { } missing)
        {
            return $"{missing} is missing";
        }

        return right.Keys.Except(left.Keys).FirstOrDefault() is { } extra ? $"{extra} is too many"
            : left.FirstOrDefault(item => item.Value != right[item.Key]) is { Key: not null } other ? $"{other.Key} is {right[other.Key]} where {other.Value} belongs"
            : null;
    }

    private static IEnumerable<FileSystemInfo> Items(string tree)
    {
        // The runtime follows links to directories when it recurses, so the walk is our own.
        var open = new Stack<DirectoryInfo>([new DirectoryInfo(tree)]);
        while (open.TryPop(out var folder))
        {
            foreach (var item in folder.EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = Everything.AttributesToSkip, IgnoreInaccessible = false }))
            {
                yield return item;
                if (item is DirectoryInfo { LinkTarget: null } directory)
                {
                    open.Push(directory);
                }
            }
        }
    }

    private static string Describe(FileSystemInfo item) => item.LinkTarget is { } target ? $"link to {target}"
        : item is FileInfo file ? $"{file.Length} bytes of {file.LastWriteTimeUtc.Ticks}" : $"folder of {(int)item.UnixFileMode}";
}
