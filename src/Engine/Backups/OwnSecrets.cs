using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// The console's own secrets. A target's server gets the first line of the password file that whoever asks has named, and it may
/// be anybody's server: these files, and the repositories' keys among them, are never read for it, under whatever name. Who
/// asks on the command line may read the other files anyway. Who asks on a page may not: a source's password goes to that source's own
/// server and to no other, no less protected than the source's own connection, and of what is no source's only a file that lies where theirs do, and is called a password, is read.
/// </summary>
public sealed class OwnSecrets(ProtectedEstate estate, DataFolder data)
{
    private const string ProcessFiles = "/proc";

    /// <summary>A longer file is no password.</summary>
    private const int LongestPasswordFile = 4096;

    /// <summary>What a password file is called. A key's passphrase is one line too, and lies beside them in many a folder.</summary>
    private static readonly string[] s_passwordEndings = [".pw", ".password"];

    /// <summary>All of them: a name that begins with a dot hides nothing here.</summary>
    private static readonly EnumerationOptions s_everyFile = new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };

    /// <summary>Refuses a target whose server would be sent one of them.</summary>
    /// <param name="target">Where something is to be restored to.</param>
    /// <param name="asker">Who asked: <see cref="RestoreAsker.CommandLine"/> reads files by its own rights, anybody else by the console's.</param>
    /// <param name="hasBegun">True where the restore has begun: the password went to that server already, and a target that is half restored must be finished or taken back.</param>
    /// <exception cref="EngineException"><c>password-file-refused</c>.</exception>
    public void Refuse(RestoreTarget target, string asker, bool hasBegun = false)
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

        if (asker == RestoreAsker.CommandLine || hasBegun)
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
        var asked = target.PasswordGoesTo;
        if (owners.FirstOrDefault(owner => owner.Server.IsSameAs(asked)) is not { } owner)
        {
            throw new EngineException(
                "password-file-refused", ErrorKind.Denied, $"{file} holds the password of {owners[0].Server.Host} port {owners[0].Server.Port}, and the target is another server",
                "Name the server exactly as the source's configuration does, or another password file.");
        }

        if (!owner.Server.IsNoBetterProtectedThan(asked!))
        {
            throw new EngineException(
                "password-file-refused", ErrorKind.Denied, $"the password of {owner.Server.Host} port {owner.Server.Port} would go there less protected than the source's own connection is",
                "Give the target the same TLS options as the source's configuration has: tls and caFile of a Redis, sslMode of a PostgreSQL.");
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

        if (!s_passwordEndings.Contains(Path.GetExtension(real), StringComparer.OrdinalIgnoreCase))
        {
            throw new EngineException(
                "password-file-refused", ErrorKind.Denied, $"{file} is not called a password file",
                $"Give it a name that ends in {string.Join(" or ", s_passwordEndings)}, or restore on the command line.");
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

    private static bool IsSame(string secret, string file, string real) =>
        LinkResolution.Resolve(secret) == real || (Identity(file) is { } asked && Identity(secret) == asked);

    private IEnumerable<SourcePassword> Passwords()
    {
        foreach (var source in estate.Sources)
        {
            if (source.Postgres is { PasswordFile: { } ofServer } server)
            {
                yield return new SourcePassword(ofServer, PasswordReceiver.OfPostgres(server.Host, server.Port, null));
            }

            if (source.Postgres?.Standby is { PasswordFile: { } ofStandby } standby)
            {
                yield return new SourcePassword(ofStandby, PasswordReceiver.OfPostgres(standby.Host, standby.Port, null));
            }

            if (source.Redis is { PasswordFile: { } ofRedis } redis)
            {
                yield return new SourcePassword(ofRedis, PasswordReceiver.OfRedis(redis.Host, redis.Port, redis.Tls, redis.CaFile));
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
    private sealed record SourcePassword(string File, PasswordReceiver Server);
}
