namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>Follows symbolic links, so that one directory under two names is known as one.</summary>
internal static class LinkResolution
{
    private const int MostLinks = 40;

    /// <summary>The path without symbolic links; parts that do not exist stay as they are written.</summary>
    public static string Resolve(string path)
    {
        var left = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var resolved = "/";
        for (var links = 0; left.TryPop(out var part);)
        {
            var next = Path.Combine(resolved, part);
            if (links < MostLinks && new FileInfo(next).LinkTarget is { } target)
            {
                links++;
                foreach (var targetPart in Path.GetFullPath(target, resolved).Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                {
                    left.Push(targetPart);
                }

                resolved = "/";
                continue;
            }

            resolved = next;
        }

        return resolved;
    }
}
