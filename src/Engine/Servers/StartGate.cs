namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// Lets one process at a time initialise or start a server: the console and a command beside it may both find it down. The
/// lock is the kernel's and ends with its holder, also by kill -9.
/// </summary>
internal sealed class StartGate : IDisposable
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);
    private readonly FileStream _lock;

    private StartGate(FileStream held) => _lock = held;

    /// <summary>Waits until nobody else is inside.</summary>
    /// <exception cref="EngineException"><c>postgres-start-busy</c>: somebody else did not come to an end in time.</exception>
    internal static async Task<StartGate> EnterAsync(
        ProcessRegistry registry, string name, TimeSpan patience, CancellationToken cancellationToken)
    {
        LocalFolder.CreatePrivate(registry.Folder);
        var path = Path.Combine(registry.Folder, name + ".gate");
        var start = registry.Time.GetTimestamp();
        while (true)
        {
            try
            {
                return new StartGate(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (registry.Time.GetElapsedTime(start) < patience)
            {
                await Task.Delay(s_poll, registry.Time, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException exception)
            {
                throw new EngineException(
                    "postgres-start-busy", ErrorKind.Conflict, $"another process has been starting the server {name} for {patience}",
                    "look whether another console or command hangs, and end it", exception)
                { IsTransient = true };
            }
        }
    }

    public void Dispose() => _lock.Dispose();
}
