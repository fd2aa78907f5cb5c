namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// A folder for a scratch server and for what is restored into it, kept apart as this machine allows. It is on record before
/// it exists, so that after a crash <see cref="ProcessRegistry.SettleAsync"/> removes it; disposing removes it too.
/// </summary>
public sealed class ScratchFolder : IAsyncDisposable
{
    private readonly ProcessRegistry _registry;
    private readonly ScratchSandbox _sandbox;
    private readonly bool _isWithin;

    private ScratchFolder(ProcessRegistry registry, string name, string path, ScratchSandbox sandbox, bool isWithin)
    {
        _registry = registry;
        _sandbox = sandbox;
        _isWithin = isWithin;
        Name = name;
        Path = path;
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>The user that programs in it run as.</summary>
    public ServerUser User => _sandbox.User;

    /// <summary>What was achieved here.</summary>
    public ScratchIsolation Isolation => _sandbox.Isolation;

    /// <summary>The server's data directory.</summary>
    public string DataFolder => FileOf("data");

    /// <summary>
    /// The folder that further scratch folders are made in, which everybody may pass through. Short: the path of a socket has few
    /// bytes. One that lies within another is closed by that one.
    /// </summary>
    internal string Passage => _isWithin ? Path : FileOf("p");

    /// <summary>Its name in the process registry.</summary>
    internal string Name { get; }

    /// <summary>The words before a command that isolate it.</summary>
    internal IReadOnlyList<string> Command => _sandbox.Command;

    /// <summary>Who runs servers in it, and how they are kept apart.</summary>
    internal ServerPlace Servers => new(User, Command);

    /// <summary>Makes one.</summary>
    /// <param name="root">As <see cref="ScratchPostgresOptions.Root"/>.</param>
    /// <param name="protectedPaths">As <see cref="ScratchPostgresOptions.ProtectedPaths"/>.</param>
    /// <param name="registry">Records it.</param>
    /// <param name="cancellationToken">Ends the trials of the isolation.</param>
    /// <param name="name">Its name, unique for ever, where somebody wrote it down before; a new one where null.</param>
    public static async Task<ScratchFolder> CreateAsync(
        string root, IReadOnlyList<string> protectedPaths, ProcessRegistry registry, CancellationToken cancellationToken, string? name = null)
    {
        name ??= ProcessRegistry.NewName("scratch");
        LocalFolder.CreatePassage(root);
        return await MakeAsync(System.IO.Path.Combine(System.IO.Path.GetFullPath(root), name), name, isWithin: false, protectedPaths, registry, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes one in this one, with a sandbox and a record of its own; whoever removes this one by <see cref="ScratchTraces"/> removes it too.</summary>
    /// <param name="name">The folder's; short.</param>
    internal Task<ScratchFolder> WithinAsync(string name, IReadOnlyList<string> protectedPaths, CancellationToken cancellationToken) =>
        MakeAsync(FileOf(name), $"{Name}-{name}", isWithin: true, protectedPaths, _registry, cancellationToken);

    private static async Task<ScratchFolder> MakeAsync(
        string folder, string name, bool isWithin, IReadOnlyList<string> protectedPaths, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        registry.Write(registry.NewRecord(name, "scratch server", Afterlife.Ended, folder, isServer: true));
        try
        {
            LocalFolder.CreatePrivate(folder);
            var sandbox = await ScratchSandbox.ChooseAsync(folder, protectedPaths, registry, cancellationToken).ConfigureAwait(false);
            LocalFolder.CreatePrivate(folder, sandbox.User);
            return new ScratchFolder(registry, name, folder, sandbox, isWithin);
        }
        catch
        {
            await RemoveAsync(registry, name).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A path in it.</summary>
    public string FileOf(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Ends what still runs in it and removes it.</summary>
    public async ValueTask DisposeAsync() => await RemoveAsync(_registry, Name).ConfigureAwait(false);

    /// <summary>Ends what still runs in the folder of that name and removes it, also where an earlier process made it.</summary>
    internal static async Task RemoveAsync(ProcessRegistry registry, string name)
    {
        if (registry.Find(name) is not { } record)
        {
            return;
        }

        if (record.Child is { } child)
        {
            await ProcessEnding.EndAsync(child, ProcessEnding.ScratchServer, registry.Time, CancellationToken.None).ConfigureAwait(false);

            // Where a sandbox stood between, the server may outlive it.
            LibC.SignalGroup(child.Pid, UnixSignal.Kill);
        }

        await LocalFolder.RemoveAsync(record.Folder!, registry.Time, CancellationToken.None).ConfigureAwait(false);
        registry.RemoveForGood(name);
    }
}
