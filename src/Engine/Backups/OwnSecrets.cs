using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// The console's own secrets. A target's server gets the first line of the password file that whoever asks has named, and it may
/// be anybody's server: these files, and the repositories' keys among them, are never read for it, under whatever name.
/// </summary>
public sealed class OwnSecrets(ProtectedEstate estate, DataFolder data)
{
    private const string ProcessFiles = "/proc";

    /// <summary>All of them: a name that begins with a dot hides nothing here.</summary>
    private static readonly EnumerationOptions s_everyFile = new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };

    /// <summary>Refuses a target whose server would be sent one of them.</summary>
    /// <exception cref="EngineException"><c>password-file-refused</c>.</exception>
    public void Refuse(RestoreTarget target)
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
    }

    /// <summary>A hard link or a second mount gives a file a name that says nothing of it; what it is stays the same.</summary>
    private bool IsOneOf(string file) => Identity(file) is { } asked && Named().Concat(Kept()).Any(secret => Identity(secret) == asked);

    private IEnumerable<string> Named() =>
        estate.Tiers.SelectMany(tier => (IEnumerable<string>)[tier.KeyFile, .. StoreUrl.Parse(tier.Store).SecretFiles, .. StoreUrl.Parse(tier.ForPrune.Store).SecretFiles])
            .Concat(estate.Notifications.SecretFiles);

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
}
