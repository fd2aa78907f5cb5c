namespace Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;

/// <summary>
/// etcd holds a lock of the kernel on its database for as long as it runs. So whether somebody still writes there is asked of the
/// file itself: a Pod that the host has given up on runs on, and so does an etcd that is deployed apart from what was stopped.
/// </summary>
internal static class StoreLock
{
    /// <summary>What the kernel says of a lock that another process has (EAGAIN).</summary>
    private const int WouldBlock = 11;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(200);

    /// <summary>Returns when no etcd has the store open; waits a minute for one that is just ending.</summary>
    /// <param name="store">etcd's data directory.</param>
    /// <param name="name">The cluster's name.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="EngineException"><c>store-in-use</c>.</exception>
    public static async Task RequireFreeAsync(string store, string name, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (IsHeld(store))
        {
            if (time.GetElapsedTime(began) > s_patience)
            {
                throw new EngineException(
                    "store-in-use", ErrorKind.Conflict, $"{name} is stopped, but an etcd still has {store} open",
                    "it may be a Pod of a node that does not answer, or an etcd that is deployed apart from the cluster: end it, and restore again");
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>True while a process has the store's database open for writing.</summary>
    public static bool IsHeld(string store)
    {
        try
        {
            using var taken = new FileStream(Path.Combine(store, "member", "snap", "db"), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (IOException fault) when (fault.HResult == WouldBlock)
        {
            return true;
        }
    }
}
