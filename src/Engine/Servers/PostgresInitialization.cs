using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// Makes a data folder with initdb. It works in a sibling folder that is renamed when done, so that a crash in between
/// never leaves a half-made data folder; the next attempt starts over.
/// </summary>
internal sealed class PostgresInitialization(PostgresClusterOptions options, ServerUser user, ProcessRegistry registry)
{
    private readonly string _unfinished = options.DataFolder + ".initialising";
    private readonly string _passwordFile = options.DataFolder + ".initialising.pw";

    /// <summary>The programs for the data folder, and whether it was made now.</summary>
    internal async Task<(PostgresBinaries Binaries, bool IsNew)> EnsureAsync(CancellationToken cancellationToken)
    {
        if (ReadMajor() is { } existing)
        {
            return (BinariesFor(existing), false);
        }

        if (Directory.Exists(options.DataFolder) && Directory.EnumerateFileSystemEntries(options.DataFolder).Any())
        {
            throw new EngineException(
                "data-folder-not-postgres", ErrorKind.Conflict, $"{options.DataFolder} is not empty and holds no PostgreSQL data",
                "name another folder, or move what is in it away");
        }

        var binaries = PostgresBinaries.Find(options.Major);
        await EnsureEnterableAsync(cancellationToken).ConfigureAwait(false);
        await LocalFolder.RemoveAsync(_unfinished, registry.Time, cancellationToken).ConfigureAwait(false);
        try
        {
            LocalFolder.WritePrivateFile(_passwordFile, Encoding.UTF8.GetBytes(options.Password + "\n"), user);
            LocalFolder.CreatePrivate(_unfinished, user);
            await RunAsync(binaries, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await LocalFolder.RemoveAsync(_unfinished, registry.Time, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        finally
        {
            File.Delete(_passwordFile);
        }

        if (Directory.Exists(options.DataFolder))
        {
            Directory.Delete(options.DataFolder);
        }

        Directory.Move(_unfinished, options.DataFolder);
        LocalFolder.Flush(Path.GetDirectoryName(options.DataFolder)!);
        return (binaries, true);
    }

    private async Task RunAsync(PostgresBinaries binaries, CancellationToken cancellationToken)
    {
        List<string> arguments =
        [
            "-D", _unfinished, "-U", options.Superuser, $"--pwfile={_passwordFile}", "--data-checksums", "--encoding=UTF8",
            "--locale=C.UTF-8", "--auth=scram-sha-256",
        ];
        if (!options.IsDurable)
        {
            arguments.Add("--no-sync");
        }

        var result = await ToolProcess.RunAsync(
            new ToolCommand(binaries.PathOf("initdb"), arguments) { RunAs = user, Purpose = $"initdb of {options.Name}" },
            registry, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new EngineException(
                "initdb-failed",
                result.ErrorTail.Contains("No space left", StringComparison.Ordinal) ? ErrorKind.OutOfSpace : ErrorKind.Unavailable,
                $"initdb of {options.DataFolder} failed with code {result.ExitCode}: {result.ErrorTail}",
                "correct what it names and start again: the unfinished folder was removed");
        }
    }

    private PostgresBinaries BinariesFor(int existing)
    {
        var found = PostgresBinaries.FindAll();
        var match = found.FirstOrDefault(binaries => binaries.Major == existing);
        if (match is not null && (options.Major is null || options.Major == existing))
        {
            return match;
        }

        var newest = found.Count > 0 ? found[0].Major : 0;
        throw new EngineException(
            "data-folder-other-major", ErrorKind.Unsupported,
            $"{options.DataFolder} was made by PostgreSQL {existing}, which "
            + (match is null ? $"is not installed here ({PostgresBinaries.Describe(found)})" : $"is not the wanted version {options.Major}"),
            $"install PostgreSQL {existing} (apt-get install postgresql-{existing}), or move its data with pg_upgrade"
            + (newest > existing ? $" to {newest}" : "") + ", or name a new data folder: nothing has been changed");
    }

    private int? ReadMajor()
    {
        var path = Path.Combine(options.DataFolder, "PG_VERSION");
        if (!File.Exists(path))
        {
            return null;
        }

        var text = File.ReadAllText(path).Trim();
        return int.TryParse(text.Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var major)
            ? major
            : throw new EngineException(
                "data-folder-damaged", ErrorKind.Damaged, $"{path} does not name a version",
                "restore the data folder from a backup, or name a new one");
    }

    private async Task EnsureEnterableAsync(CancellationToken cancellationToken)
    {
        var parent = Path.GetDirectoryName(options.DataFolder)!;
        Directory.CreateDirectory(parent);
        if (user.IsCurrent)
        {
            return;
        }

        var result = await ToolProcess.RunAsync(
            new ToolCommand("test", ["-x", parent]) { RunAs = user }, registry, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new EngineException(
                "folder-not-enterable", ErrorKind.Denied, $"user {user.Name}, who runs PostgreSQL, cannot enter {parent}",
                $"choose a data folder below one that everybody may pass through, such as {LocalFolder.DefaultStateRoot()}");
        }
    }
}
