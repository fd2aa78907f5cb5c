using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Folders on this machine: who owns them, who may enter, and how they are removed.</summary>
public static class LocalFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const int RemoveAttempts = 20;

    /// <summary>
    /// Where this product keeps its state when nothing else is said: <c>/var/lib/hexabase-drconsole</c> as root (the users
    /// that servers run as cannot enter root's home), else <c>$XDG_DATA_HOME/hexabase-drconsole</c>.
    /// </summary>
    public static string DefaultStateRoot()
    {
        if (ServerUser.IsRoot)
        {
            return "/var/lib/hexabase-drconsole";
        }

        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        return Path.Combine(
            string.IsNullOrEmpty(data) ? Path.Combine(ServerUser.Current.Home, ".local", "share") : data, "hexabase-drconsole");
    }

    /// <summary>Creates a folder of mode 0700 owned by <paramref name="owner"/>, or gives an existing one to it.</summary>
    public static void CreatePrivate(string path, ServerUser? owner = null)
    {
        Directory.CreateDirectory(path, OwnerOnly);
        File.SetUnixFileMode(path, OwnerOnly);
        GiveTo(path, owner);
    }

    /// <summary>
    /// Creates a folder that its owner uses and others may only pass through (0711): they can open what they know the name of
    /// and have a right to, and list nothing. An existing one, which may be anybody's, only gains the right to pass.
    /// </summary>
    public static void CreatePassage(string path)
    {
        const UnixFileMode Pass = UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        if (Directory.Exists(path))
        {
            File.SetUnixFileMode(path, File.GetUnixFileMode(path) | Pass);
            return;
        }

        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } parent && !Directory.Exists(parent))
        {
            CreatePassage(parent);
        }

        Directory.CreateDirectory(path, OwnerOnly | Pass);
        File.SetUnixFileMode(path, OwnerOnly | Pass);
    }

    /// <summary>
    /// Creates a folder that stays this process's own (0710) and that one other user may pass through by its group: the way
    /// to keep a server's files in a data folder that nobody else can enter.
    /// </summary>
    public static void CreatePassageFor(string path, ServerUser user)
    {
        Directory.CreateDirectory(path, OwnerOnly);
        if (user.IsCurrent)
        {
            File.SetUnixFileMode(path, OwnerOnly);
            return;
        }

        LibC.ChangeOwner(path, ServerUser.Current.UserId, user.GroupId);
        File.SetUnixFileMode(path, OwnerOnly | UnixFileMode.GroupExecute);
    }

    /// <summary>Writes a file that only its owner can read (0600), durable before it returns. Replaces an existing one.</summary>
    public static void WritePrivateFile(string path, ReadOnlySpan<byte> content, ServerUser? owner = null)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        GiveTo(temporary, owner);
        File.Move(temporary, path, overwrite: true);
        LibC.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>The same for a file that there may be only one of, whoever comes first: an existing one stays as it is.</summary>
    /// <returns>False where there is one, perhaps of a process that made it at the same time.</returns>
    public static bool TryCreatePrivateFile(string path, ReadOnlySpan<byte> content)
    {
        var own = $"{path}.{Guid.NewGuid():n}";
        WritePrivateFile(own, content);
        try
        {
            // Whole at once, and refused by the file system where the name is taken: a move only looks before it replaces.
            LibC.HardLink(own, path);
            LibC.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return true;
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
        finally
        {
            File.Delete(own);
        }
    }

    /// <summary>
    /// Removes a folder with everything in it. A server that was killed may still write while its last processes end, so a
    /// folder that fills up again is tried anew for up to two seconds.
    /// </summary>
    public static async Task RemoveAsync(string path, TimeProvider time, CancellationToken cancellationToken)
    {
        for (var attempt = 1; Directory.Exists(path); attempt++)
        {
            try
            {
                Directory.Delete(path, recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
                // Something in it vanished between listing and deleting: the next round sees what is left.
            }
            catch (IOException) when (attempt < RemoveAttempts)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException fault)
            {
                await RemoveByToolAsync(path, fault, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A restored volume may hold names that are no UTF-8, which the framework cannot say; rm takes any bytes.</summary>
    private static async Task RemoveByToolAsync(string path, IOException fault, CancellationToken cancellationToken)
    {
        using var remove = Process.Start(new ProcessStartInfo("rm", ["-rf", "--one-file-system", "--", path]) { WorkingDirectory = "/" });
        await (remove?.WaitForExitAsync(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        if (Directory.Exists(path))
        {
            throw new IOException($"{path} cannot be removed", fault);
        }
    }

    /// <summary>Makes the names in a folder durable.</summary>
    public static void Flush(string path) => LibC.FlushFolder(path);

    internal static void GiveTo(string path, ServerUser? owner)
    {
        if (owner is { IsCurrent: false })
        {
            LibC.ChangeOwner(path, owner.UserId, owner.GroupId);
        }
    }
}
