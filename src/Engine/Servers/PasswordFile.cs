using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// A file for <c>PGPASSFILE</c>: how a PostgreSQL tool learns a password without argv or environment. Readable by this user
/// only, gone when disposed; what a killed console left behind goes at the next <see cref="ProcessRegistry.SettleAsync"/>.
/// </summary>
public sealed class PasswordFile : IDisposable
{
    private const string Prefix = "pgpass-";

    private PasswordFile(string path) => Path = path;

    /// <summary>Where it is: the value for <c>PGPASSFILE</c>.</summary>
    public string Path { get; }

    /// <summary>Writes the file for one server and user, for every database of it.</summary>
    /// <param name="registry">The registry whose folder it lives in.</param>
    /// <param name="host">Host name or socket folder, as the tool gets it.</param>
    /// <param name="port">The server's port.</param>
    /// <param name="username">The role.</param>
    /// <param name="password">Its password.</param>
    public static PasswordFile Create(ProcessRegistry registry, string host, int port, string username, string password)
    {
        LocalFolder.CreatePrivate(registry.Folder);
        var owner = registry.Owner;
        var path = System.IO.Path.Combine(registry.Folder, string.Create(
            CultureInfo.InvariantCulture,
            $"{Prefix}{owner.Pid}-{owner.StartTicks}-{RandomNumberGenerator.GetHexString(12, lowercase: true)}"));
        var line = string.Create(
            CultureInfo.InvariantCulture, $"{Escape(host)}:{port}:*:{Escape(username)}:{Escape(password)}\n");
        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        stream.Write(Encoding.UTF8.GetBytes(line));
        return new PasswordFile(path);
    }

    /// <summary>Removes the file.</summary>
    public void Dispose() => File.Delete(Path);

    internal static void RemoveAbandoned(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        foreach (var path in Directory.EnumerateFiles(folder, Prefix + "*"))
        {
            var parts = System.IO.Path.GetFileName(path)[Prefix.Length..].Split('-');
            var held = parts.Length == 3
                && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
                && ProcessIdentity.Read(pid)?.StartTicks == ticks;
            if (!held)
            {
                File.Delete(path);
            }
        }
    }

    private static string Escape(string field) => field.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal);
}
