namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>A directory that a restore writes to cannot take it.</summary>
internal static class DirectoryFault
{
    /// <summary>ENOSPC as .NET shows it on Linux.</summary>
    private const int NoSpace = 28;

    /// <param name="isInPlace">True where the directory holds what lives, which is there as it was; else another place would do.</param>
    public static EngineException Of(string path, Exception exception, bool isInPlace)
    {
        var left = isInPlace ? "; what was there is there" : "";
        return exception.HResult == NoSpace
            ? new EngineException("directory-full", ErrorKind.OutOfSpace, $"no space is left for {path}{left}", isInPlace ? "free space" : "free space, or name another place", exception)
            : new EngineException("directory-not-writable", ErrorKind.Denied, $"{path} cannot be written: {exception.Message}{left}",
                isInPlace ? "run the console as a user that may write it" : "name a directory below one that you may write", exception);
    }
}
