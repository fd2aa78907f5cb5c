using System.Security.Cryptography;
using System.Text;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>What a restore in place makes in the data directory. All of it is in the directory itself, so that moving is renaming.</summary>
/// <param name="Staging">The new files until they are in their places; hidden.</param>
/// <param name="Aside">What was there before.</param>
/// <param name="Recovered">Where a restore that is taken back leaves what a server has written to since.</param>
internal sealed record RedisPlaces(string Staging, string Aside, string Recovered)
{
    /// <summary>Says that the new files are whole; it is there until the last of them is in its place.</summary>
    public string Complete => Path.Combine(Staging, "complete");

    /// <summary>What was there is moved aside only while the new files are whole: aside without them, they are in their place.</summary>
    public bool AreDone => Directory.Exists(Aside) && !File.Exists(Complete);

    public static RedisPlaces Of(RedisDirectoryTarget target, string operation)
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..16];
        return new RedisPlaces(Path.Combine(target.Path, $".drconsole-{name}"), Path.Combine(target.Path, $"drconsole-aside-{name}"), Path.Combine(target.Path, $"drconsole-recovered-{name}"));
    }

    /// <summary>The files that a server keeps its data in: its snapshot, the folder of its logs, and the log of servers before Redis 7.</summary>
    public static string[] NamesIn(RedisDirectoryTarget target) => [target.DumpName, target.AppendDirectory, target.AppendName];
}
