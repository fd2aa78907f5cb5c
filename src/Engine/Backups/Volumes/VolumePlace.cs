using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>What lies at a volume's path now, and on which mount.</summary>
/// <param name="Path">As configured; of a claim where it was found.</param>
/// <param name="Form">One of the forms of <see cref="VolumeFacts"/>.</param>
/// <param name="MountPoint">The mount point that it lies on.</param>
/// <param name="MountSource">What is mounted there.</param>
/// <param name="FileSystem">The type of file system.</param>
/// <param name="Device">The file system's number, as the kernel writes it (<c>8:1</c>).</param>
public sealed record VolumePlace(string Path, string Form, string MountPoint, string MountSource, string FileSystem, string Device)
{
    /// <summary>Where the kernel tells what is mounted.</summary>
    internal const string MountTable = "/proc/self/mountinfo";

    /// <summary>Looks.</summary>
    /// <exception cref="EngineException"><c>volume-missing</c>, <c>volume-unreadable</c>, <c>volume-form-unknown</c>.</exception>
    public static VolumePlace Look(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string real;
        try
        {
            real = RealPath(path);
            // Lists nothing more than the first name: what it refuses, it refuses here.
            if (Directory.Exists(real))
            {
                _ = Directory.EnumerateFileSystemEntries(real).FirstOrDefault();
            }
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
        {
            throw new EngineException("volume-unreadable", ErrorKind.Denied, $"{path} cannot be read: {fault.Message}",
                "Let the user of this worker read it, or look at its disk: the file system may be broken or away.", fault);
        }

        if (!System.IO.Path.Exists(real))
        {
            throw new EngineException("volume-missing", ErrorKind.NotFound, $"there is no {path}",
                "Look whether its disk is mounted on this machine; then back up again. No restore point was made.");
        }

        var mount = MountOf(real, File.ReadLines(MountTable));
        return new VolumePlace(path, FormOf(path, real), mount.Point, mount.Source, mount.Type, mount.Device);
    }

    /// <summary>The mount point that a path lies on now, also where nothing is there.</summary>
    public static string MountPointOf(string path) => MountOf(RealPath(path), File.ReadLines(MountTable)).Point;

    /// <summary>True where a mount point lies below another: then what was on it is not mounted, and the other one shows through.</summary>
    public static bool IsBelow(string point, string other) => other == "/" || point.StartsWith(other + '/', StringComparison.Ordinal);

    /// <summary>The path with all symbolic links resolved, in whatever part of it.</summary>
    public static string RealPath(string path)
    {
        var real = "/";
        foreach (var part in System.IO.Path.GetFullPath(path).Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = System.IO.Path.Combine(real, part);
            real = new FileInfo(next).LinkTarget is null ? next : File.ResolveLinkTarget(next, returnFinalTarget: true) is { } target ? RealPath(target.FullName) : next;
        }

        return real;
    }

    /// <summary>
    /// True where neither path is the other one or within it, by whatever links and mounts they are reached. False also where that cannot
    /// be told: of two mounts of file systems that show what others hold, as those of a network and overlays do.
    /// </summary>
    public static bool AreApart(string one, string other)
    {
        try
        {
            var table = File.ReadAllLines(MountTable);
            var (first, second) = (RealPath(one), RealPath(other));
            var (from, to) = (MountOf(first, table), MountOf(second, table));
            return AreDisjoint(first, second)
                && (from.Point == to.Point || (from.Device == to.Device ? AreDisjoint(from.OnDisk(first), to.OnDisk(second)) : from.HoldsItsOwn && to.HoldsItsOwn));
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
        {
            return false;
        }

        static bool AreDisjoint(string one, string other) => !IsWithin(one, other) && !IsWithin(other, one);

        static bool IsWithin(string inner, string outer) => inner == outer || outer is "/" or "" || inner.StartsWith(outer + '/', StringComparison.Ordinal);
    }

    /// <summary>A mount: its point, what is mounted there, the type and number of the file system, and which directory of that it shows.</summary>
    internal readonly record struct Mount(string Point, string Source, string Type, string Device, string Root)
    {
        /// <summary>False of what may show files that another file system holds, as those of a network and overlays do.</summary>
        public bool HoldsItsOwn => Source.StartsWith("/dev/", StringComparison.Ordinal) || Type == "tmpfs";

        /// <summary>A resolved path within the file system: the same at every place where that is mounted.</summary>
        public string OnDisk(string realPath) => $"{Root.TrimEnd('/')}/{realPath[Point.Length..].TrimStart('/')}".TrimEnd('/');
    }

    /// <summary>The mount that a resolved path lies on: the last one of the longest point that the path is below.</summary>
    internal static Mount MountOf(string realPath, IEnumerable<string> table)
    {
        var found = new Mount("/", "", "", "", "/");
        foreach (var line in table)
        {
            // 36 35 98:0 /root /mount/point options [fields …] - type source options
            var fields = line.Split(' ');
            var dash = Array.IndexOf(fields, "-");
            if (dash < 0 || fields.Length < dash + 3)
            {
                continue;
            }

            var point = Unescape(fields[4]);
            if (point.Length >= found.Point.Length && (point == "/" || realPath == point || realPath.StartsWith(point + '/', StringComparison.Ordinal)))
            {
                found = new Mount(point, Unescape(fields[dash + 2]), fields[dash + 1], fields[2], Unescape(fields[3]));
            }
        }

        return found;
    }

    private static string FormOf(string path, string real)
    {
        if (Directory.Exists(real))
        {
            return VolumeFacts.DirectoryForm;
        }

        return Repository.BackupRepository.KindOfFile(real) switch
        {
            "file" => VolumeFacts.ImageForm,
            "block device" => VolumeFacts.DeviceForm,
            var other => throw new EngineException("volume-form-unknown", ErrorKind.Input, $"{path} is a {other}",
                "Name a directory, a file that holds an image, or a block device."),
        };
    }

    /// <summary>The kernel writes blanks, tabs, line ends and backslashes as three octal digits.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder(field.Length);
        for (var i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && field.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0)
            {
                text.Append((char)Convert.ToInt32(field.Substring(i + 1, 3), 8));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Path}, a {Form} on {MountPoint} ({FileSystem} from {MountSource})");
}
