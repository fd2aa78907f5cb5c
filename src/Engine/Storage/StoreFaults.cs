using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>Turns what the operating system says into what a person can act on.</summary>
internal static class StoreFaults
{
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;
    private const int ReadOnlyFileSystem = 30;
    private const int PermissionDenied = 13;
    private const int NotPermitted = 1;
    private const int InputOutput = 5;
    private const int BadMessage = 74;
    private const int NeedsCleaning = 117;

    /// <summary>Code of the fault of an object that is there and whose bytes the disk, or the server, does not give.</summary>
    public const string Unreadable = "object-unreadable";

    /// <summary>In a fault's context: the status of a server's answer.</summary>
    public const string Status = "status";

    /// <summary>True where a server answered with an error of its own, or one behind it; not that it has too much to do (503), or no room (507).</summary>
    public static bool IsServerError(EngineException fault) => fault.Context.GetValueOrDefault(Status) is "500" or "502" or "504";

    /// <summary>An object that a server does not give, while it gives others: damage to this object, as a bad sector is.</summary>
    public static EngineException NotGiven(string url, string key, EngineException cause) => new(
        Unreadable, ErrorKind.Damaged, $"{key} in {url} cannot be read, while other objects can: {cause.Message}", "look at the server's log for this object; repair the tier from another one", cause)
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };

    public static EngineException NotFound(string url, string key, Exception? inner = null) => new(
        "object-missing", ErrorKind.NotFound, $"{key} does not exist in {url}", "run 'drconsole repository check' on this store", inner)
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };

    public static EngineException TooShort(string url, string key) => new(
        "object-cut", ErrorKind.Damaged, $"{key} in {url} is shorter than it was written", "run 'drconsole repository check' on this store")
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };

    /// <summary>
    /// A failure to read what was opened. Where the disk says that it does not have the bytes, that is damage to this object, as if they were
    /// changed: trying again does not help, and all else in the store may be read.
    /// </summary>
    public static EngineException OfReading(Exception error, string url, string key, string path) =>
        error is IOException { HResult: InputOutput or BadMessage or NeedsCleaning }
            ? new EngineException(
                Unreadable, ErrorKind.Damaged, $"{key} in {url} cannot be read: {error.Message}", "look at the disk behind this store; repair the tier from another one", error)
            {
                Context = new Dictionary<string, string> { ["object"] = key },
            }
            : From(error, path);

    /// <summary>An operational failure at <paramref name="path"/>.</summary>
    public static EngineException From(Exception error, string path) => error switch
    {
        UnauthorizedAccessException => Denied(path, error),
        IOException { HResult: NoSpace or QuotaExceeded } => Full(path, error),
        IOException { HResult: ReadOnlyFileSystem } => Denied(path, error),
        _ => new EngineException(
            "store-failed", ErrorKind.Unavailable, $"{path}: {error.Message}", "look at the disk or mount behind this store, then run the command again", error)
        {
            IsTransient = true,
        },
    };

    public static EngineException FromErrno(int errno, string path)
    {
        var error = new IOException(Marshal.GetPInvokeErrorMessage(errno), errno);
        return errno is PermissionDenied or NotPermitted ? Denied(path, error) : From(error, path);
    }

    private static EngineException Full(string path, Exception error) => new(
        "store-full", ErrorKind.OutOfSpace, $"no space is left for {path}",
        "free space or enlarge the store, then run the backup again; what was stored is used again", error);

    private static EngineException Denied(string path, Exception error) => new(
        "store-denied", ErrorKind.Denied, $"{path} refuses access", "give this user read and write rights to the store's directory", error);
}
