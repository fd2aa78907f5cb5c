using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// The console's own secrets. A target's server gets the first line of the password file that whoever asks has named, and it may
/// be anybody's server: these files, and the repositories' keys among them, are never read for it, under whatever name. Who
/// asks on the command line may read the other files anyway. Who asks on a page may not: a source's password goes to that source's own
/// server and to no other, and of what is no source's only a file that lies where theirs do is read.
/// </summary>
public sealed class OwnSecrets(ProtectedEstate estate, DataFolder data)
{
    private const string ProcessFiles = "/proc";

    /// <summary>A longer file is no password.</summary>
    private const int LongestPasswordFile = 4096;

    private static readonly string[] s_thisMachine = ["localhost", "127.0.0.1", "::1"];

    /// <summary>All of them: a name that begins with a dot hides nothing here.</summary>
    private static readonly EnumerationOptions s_everyFile = new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };

    /// <summary>Refuses a target whose server would be sent one of them.</summary>
    /// <param name="target">Where something is to be restored to.</param>
    /// <param name="asker">Who asked: <see cref="RestoreAsker.CommandLine"/> reads files by its own rights, anybody else by the console's.</param>
    /// <exception cref="EngineException"><c>password-file-refused</c>.</exception>
    public void Refuse(RestoreTarget target, string asker)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (target.PasswordFileToSend is not { } file)
        {
            return;
        }

        var real = LinkResolution.Resolve(file);
        if (IsProcessFile(file) || IsProcessFile(real) || VolumePlace.MountOf(real, File.ReadLines(VolumePlace.MountTable)).Type == "proc")
        {
            throw Refused($"{file} is in {ProcessFiles}, which shows the secrets of processes, and every file under a second name");
        }

        if (IsBelow(real, LinkResolution.Resolve(data.Root)) || Named().Any(secret => LinkResolution.Resolve(secret) == real) || IsOneOf(file))
        {
            throw Refused($"{file} is a secret of the console itself, no password of a target");
        }

        if (asker == RestoreAsker.CommandLine)
        {
            return;
        }

        var owners = Passwords().Where(password => IsSame(password.File, file, real)).ToList();
        if (owners.Count > 0)
        {
            RequireOwnServer(file, owners, target);
        }
        else
        {
            RequirePasswordFile(file, real);
        }
    }

    private static void RequireOwnServer(string file, List<SourcePassword> owners, RestoreTarget target)
    {
        if (!owners.Any(owner => target.PasswordGoesTo is { } server && server.Port == owner.Port && IsSameHost(server.Host, owner.Host)))
        {
            throw new EngineException(
                "password-file-refused", ErrorKind.Denied, $"{file} holds the password of {owners[0].Host} port {owners[0].Port}, and the target is another server",
                "Name the server as the source's configuration does, or another password file.");
        }
    }

    /// <summary>Else whoever may restore could have any file's first line that the console's user can read, those of the system too.</summary>
    private void RequirePasswordFile(string file, string real)
    {
        var folders = Passwords().Select(password => Path.GetDirectoryName(LinkResolution.Resolve(password.File))).ToHashSet();
        if (!folders.Contains(Path.GetDirectoryName(real)))
        {
            throw new EngineException(
                "password-file-refused", ErrorKind.Denied, $"{file} lies in no folder with a password file of a source",
                "Put the target's password file beside a source's, or restore on the command line.");
        }

        if (!HoldsOneLine(real))
        {
            throw Refused($"{file} holds more than one line, so it is no password file");
        }
    }

    /// <summary>A key, a table of accounts or a configuration has more. What is not there is told by whoever reads it.</summary>
    private static bool HoldsOneLine(string file)
    {
        try
        {
            var found = new FileInfo(file);
            return !found.Exists || (found.Length <= LongestPasswordFile && !File.ReadLines(file).Skip(1).Any(line => line.Trim().Length > 0));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new EngineException("password-file-refused", ErrorKind.Denied, $"{file} cannot be read: {fault.Message}", "Let the console's user read it.", fault);
        }
    }

    private static bool IsSameHost(string asked, string configured) =>
        string.Equals(asked, configured, StringComparison.OrdinalIgnoreCase)
        || (s_thisMachine.Contains(asked, StringComparer.OrdinalIgnoreCase) && s_thisMachine.Contains(configured, StringComparer.OrdinalIgnoreCase));

    private static bool IsSame(string secret, string file, string real) =>
        LinkResolution.Resolve(secret) == real || (Identity(file) is { } asked && Identity(secret) == asked);

    private IEnumerable<SourcePassword> Passwords()
    {
        foreach (var source in estate.Sources)
        {
            if (source.Postgres is { PasswordFile: { } ofServer } server)
            {
                yield return new SourcePassword(ofServer, server.Host, server.Port);
            }

            if (source.Postgres?.Standby is { PasswordFile: { } ofStandby } standby)
            {
                yield return new SourcePassword(ofStandby, standby.Host, standby.Port);
            }

            if (source.Redis is { PasswordFile: { } ofRedis } redis)
            {
                yield return new SourcePassword(ofRedis, redis.Host, redis.Port);
            }
        }
    }

    /// <summary>A hard link or a second mount gives a file a name that says nothing of it; what it is stays the same.</summary>
    private bool IsOneOf(string file) => Identity(file) is { } asked && Named().Concat(Kept()).Any(secret => Identity(secret) == asked);

    private IEnumerable<string> Named() =>
        estate.Tiers.SelectMany(tier => (IEnumerable<string>)[tier.KeyFile, .. StoreUrl.Parse(tier.Store).SecretFiles, .. StoreUrl.Parse(tier.ForPrune.Store).SecretFiles])
            .Concat(estate.Notifications.SecretFiles)
            .Concat(estate.Sources.Select(source => source.VCluster?.Kubeconfig).OfType<string>());

    /// <summary>What the console wrote itself. Its tiers and servers lie in the data folder too, and are too many files to ask each.</summary>
    private IEnumerable<string> Kept() => Directory.EnumerateFiles(data.Keys, "*", s_everyFile).Concat(Directory.EnumerateFiles(data.Processes, "*", s_everyFile));

    private static (ulong Device, ulong Inode)? Identity(string file)
    {
        try
        {
            var stat = Posix.Stat(Posix.ToPath(file), follow: true);
            return (stat.Device, stat.Inode);
        }
        catch (PosixException)
        {
            // What is not there, or may not be looked at, cannot be read either.
            return null;
        }
    }

    private static bool IsProcessFile(string path) => IsBelow(path, ProcessFiles);

    private static bool IsBelow(string path, string folder) => path.StartsWith(folder + "/", StringComparison.Ordinal);

    private static EngineException Refused(string why) => new(
        "password-file-refused", ErrorKind.Denied, why, "Name a file that holds the target's password and lies outside the data folder.");

    /// <summary>A source's password file, and the server that it is for.</summary>
    private sealed record SourcePassword(string File, string Host, int Port);
}
