using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>A tree as lines of text, with everything that a restore must bring back.</summary>
internal static class TreeListing
{
    public static List<string> Of(string root)
    {
        var lines = new List<string>();
        var names = new Dictionary<ulong, string>();
        foreach (var item in new TreeWalker(new TreeWarnings(), new TreeOptions()).Walk([], Posix.ToPath(root)))
        {
            var stat = item.Stat;
            var path = Convert.ToHexString(item.Path);
            var attributes = string.Join(",", Posix.Attributes(item.FullPath).Select(a => $"{Convert.ToHexString(a.Name)}={Convert.ToHexString(a.Value)}"));
            var content = stat.Kind switch
            {
                TreeNodeKind.File => Hash(item.FullPath),
                TreeNodeKind.SymbolicLink => Convert.ToHexString(Posix.ReadLink(item.FullPath)),
                _ => "",
            };
            names.TryAdd(stat.Inode, path);
            lines.Add($"{path} {stat.Kind} {Convert.ToString(stat.Mode, 8)} {stat.User}:{stat.Group} {stat.Modified} {(stat.Kind == TreeNodeKind.File ? stat.Size : 0)} {attributes} {content} ={names[stat.Inode]}");
        }

        return lines;
    }

    private static string Hash(byte[] path)
    {
        using var file = Posix.OpenRead(path);
        var content = new byte[RandomAccess.GetLength(file)];
        RandomAccess.Read(file, content, 0);
        return Convert.ToHexString(SHA256.HashData(content));
    }
}
