using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>A living PostgreSQL server as its own <c>postmaster.pid</c> describes it.</summary>
/// <param name="Process">The postmaster.</param>
/// <param name="Port">The port of its sockets.</param>
/// <param name="SocketFolder">Where its unix socket is; empty where it has none.</param>
/// <param name="ListenAddress">The first TCP address it listens on; empty where it listens on none.</param>
internal sealed record PostmasterFile(ProcessIdentity Process, int Port, string SocketFolder, string ListenAddress)
{
    private const string FileName = "postmaster.pid";

    /// <summary>
    /// The server that runs on a data folder, or null. The file outlives a kill -9, and its process id may since have been
    /// given to a stranger: only a process that runs <c>postgres</c> on this very folder counts.
    /// </summary>
    internal static PostmasterFile? FindLiving(string dataFolder)
    {
        var lines = ReadLines(Path.Combine(dataFolder, FileName));
        if (lines.Length < 5
            || !int.TryParse(lines[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            || !int.TryParse(lines[3], NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || ProcessIdentity.Read(pid) is not { } identity
            || !RunsOn(pid, dataFolder))
        {
            return null;
        }

        return new PostmasterFile(identity, port, lines[4], lines.Length > 5 ? lines[5] : "");
    }

    /// <summary>Removes what a killed server left, so that a stranger with its old process id cannot block the next start.</summary>
    internal static void RemoveStale(string dataFolder, string socketFolder)
    {
        File.Delete(Path.Combine(dataFolder, FileName));
        if (Directory.Exists(socketFolder))
        {
            foreach (var path in Directory.EnumerateFiles(socketFolder, ".s.PGSQL.*"))
            {
                File.Delete(path);
            }
        }
    }

    private static bool RunsOn(int pid, string dataFolder)
    {
        var process = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
        try
        {
            var arguments = Encoding.UTF8.GetString(File.ReadAllBytes($"{process}/cmdline")).Split('\0');
            return Path.GetFileName(arguments[0]) is "postgres" or "postmaster"
                && (arguments.Contains(dataFolder) || new DirectoryInfo($"{process}/cwd").LinkTarget == dataFolder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
    }
}
