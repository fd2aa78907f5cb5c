using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>The programs of one PostgreSQL version on this machine.</summary>
/// <param name="Major">Major version, for example 15.</param>
/// <param name="Version">Full version, for example <c>15.18</c>.</param>
/// <param name="Folder">The folder that holds postgres, initdb, pg_dump and the others.</param>
public sealed partial record PostgresBinaries(int Major, string Version, string Folder)
{
    private static readonly string[] s_versionedRoots = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/postgresql"];

    /// <summary>
    /// The environment variable that names a folder of PostgreSQL programs; it comes before PATH and the usual places.
    /// </summary>
    public const string FolderVariable = "DRCONSOLE_POSTGRES_BIN";

    /// <summary>Path of one of the programs.</summary>
    public string PathOf(string program) => Path.Combine(Folder, program);

    /// <summary>Every version on this machine that can run a server, newest first.</summary>
    public static IReadOnlyList<PostgresBinaries> FindAll() => FindAll(UsualFolders(), "postgres");

    /// <summary>Every version on this machine that brings <c>pg_dump</c>, newest first; the server itself may be missing.</summary>
    public static IReadOnlyList<PostgresBinaries> FindClients() => FindAll(UsualFolders(), "pg_dump");

    /// <summary>The newest version, or the newest of one major.</summary>
    /// <exception cref="EngineException"><c>postgres-missing</c>: none is installed; the hint names the package.</exception>
    public static PostgresBinaries Find(int? major = null) => Choose(FindAll(), major);

    internal static PostgresBinaries Choose(IReadOnlyList<PostgresBinaries> found, int? major) =>
        found.FirstOrDefault(binaries => major is null || binaries.Major == major)
        ?? throw (major is null
            ? new EngineException(
                "postgres-missing", ErrorKind.Unavailable, "PostgreSQL's server programs are not installed on this machine",
                $"install them (apt-get install postgresql), or name their folder in {FolderVariable}")
            : new EngineException(
                "postgres-missing", ErrorKind.Unavailable,
                $"PostgreSQL {major} is not installed on this machine ({Describe(found)})",
                $"install it (apt-get install postgresql-{major}), or name its folder in {FolderVariable}"));

    internal static IReadOnlyList<PostgresBinaries> FindAll(IEnumerable<string> folders, string program) =>
    [
        .. folders.Where(folder => File.Exists(Path.Combine(folder, program)))
            .Select(folder => Read(folder, program))
            .OfType<PostgresBinaries>()
            .DistinctBy(binaries => binaries.Version)
            .OrderByDescending(binaries => binaries.Major)
            .ThenByDescending(binaries => System.Version.TryParse(binaries.Version, out var version) ? version.Minor : 0),
    ];

    internal static string Describe(IReadOnlyList<PostgresBinaries> found) => found.Count == 0
        ? "no version was found"
        : "found: " + string.Join(", ", found.Select(binaries => $"{binaries.Version} in {binaries.Folder}"));

    private static IEnumerable<string> UsualFolders()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named)
        {
            yield return named;
        }

        foreach (var root in s_versionedRoots.Where(Directory.Exists))
        {
            foreach (var version in Directory.EnumerateDirectories(root).OrderDescending(StringComparer.Ordinal))
            {
                yield return Path.Combine(version, "bin");
            }
        }

        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
                     .Where(Path.IsPathRooted))
        {
            yield return folder;
        }
    }

    private static PostgresBinaries? Read(string folder, string program)
    {
        // A program that only prints its version holds nothing and ends by itself: no record is needed. It sees nothing of this
        // process's environment, which may hold passwords, but where programs are.
        var info = new ProcessStartInfo(Path.Combine(folder, program), ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment.Clear();
        info.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin";
        using var process = Process.Start(info);
        var output = process!.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var match = VersionPattern().Match(output);
        return match.Success && process.ExitCode == 0
            ? new PostgresBinaries(int.Parse(match.Groups["major"].Value, CultureInfo.InvariantCulture), match.Groups["all"].Value, folder)
            : null;
    }

    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", and Debian's pg_wrapper prints the same for pg_dump in PATH.
    [GeneratedRegex(@"\(PostgreSQL\) (?<all>(?<major>\d+)(\.\d+|devel|beta\d+|rc\d+)?)")]
    private static partial Regex VersionPattern();
}
