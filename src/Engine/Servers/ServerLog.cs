using System.Text;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>The log file of a local server: private, cut over when large, and read back for error messages.</summary>
internal sealed class ServerLog(string path)
{
    private const long LargeBytes = 16 * 1024 * 1024;
    private const int TailBytes = 4 * 1024;
    private long _start;

    internal string Path { get; } = path;

    /// <summary>Makes the file ready for a start; what was written before it is not part of the next tail.</summary>
    internal void Open()
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!);
        if (File.Exists(Path) && new FileInfo(Path).Length > LargeBytes)
        {
            File.Move(Path, Path + ".1", overwrite: true);
        }

        using var stream = new FileStream(Path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        _start = stream.Length;
    }

    /// <summary>The end of what was written since the start, at most 4 KiB.</summary>
    internal string Tail()
    {
        if (!File.Exists(Path))
        {
            return "no log was written";
        }

        using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(Math.Max(_start, stream.Length - TailBytes), SeekOrigin.Begin);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().Trim();
    }
}
