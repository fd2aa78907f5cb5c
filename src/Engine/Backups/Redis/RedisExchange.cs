using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// The new files in the place of the old ones, and back. The data directory belongs to the server's user, who may put anything in the
/// place of the folders that are made in it; so all of them are reached through directories that are held open, and the hidden one
/// stays the console's own: nobody else can write into it.
/// </summary>
internal sealed class RedisExchange : IDisposable
{
    private const string CompleteName = "complete";
    private const uint OthersMayWrite = 0x12;
    private readonly RedisDirectoryTarget _target;
    private readonly RedisPlaces _places;
    private readonly SafeFileHandle _home;
    private SafeFileHandle? _staging;

    public RedisExchange(RedisDirectoryTarget target, RedisPlaces places)
    {
        (_target, _places) = (target, places);
        _home = Posix.OpenDirectoryHandle(Posix.ToPath(target.Path));
        _staging = TryOpenOwn();
    }

    /// <summary>True where the new files are whole.</summary>
    public bool IsComplete => _staging is not null && Has(_staging, CompleteName);

    /// <summary>Makes the hidden folder anew; what a killed attempt left unfinished is not trusted.</summary>
    /// <returns>A path that leads into it and nowhere else.</returns>
    public string Begin()
    {
        _staging?.Dispose();
        _staging = null;
        RemoveStaging();
        Posix.MakeDirectoryAt(_home, NameOf(_places.Staging));
        _staging = TryOpenOwn() ?? throw new IOException($"{_places.Staging} was exchanged at this moment");
        return LiveOf(_staging);
    }

    /// <summary>Gives the new files to the server's user, and says that they are whole. The folder stays the console's.</summary>
    public void Complete()
    {
        foreach (var name in RedisPlaces.NamesIn(_target).Where(name => Has(_staging!, name)))
        {
            OwnedFolder.Give(_staging!, name, Owner());
        }

        LocalFolder.WritePrivateFile(Path.Combine(LiveOf(_staging!), CompleteName), "the new files are whole\n"u8);
    }

    /// <summary>
    /// A name that is still in the hidden folder has not been put in its place: what bears it in the directory is the old one.
    /// The log file of servers before Redis 7 has no new one, and goes aside before anything else.
    /// </summary>
    public void Swap()
    {
        using var aside = TryOpen(_places.Aside) ?? MakeAside();
        foreach (var name in RedisPlaces.NamesIn(_target).Reverse())
        {
            var isPlaced = name != _target.AppendName && !Has(_staging!, name);
            if (!isPlaced && Has(_home, name))
            {
                Move(_home, aside, name);
            }

            if (Has(_staging!, name))
            {
                Move(_staging!, _home, name);
            }
        }

        LocalFolder.Flush(LiveOf(aside));
        Flush();
        // From here on it is finished; whoever comes after a crash must not take what is left of the folder for a beginning.
        Unmark();
        RemoveStaging();
        Flush();
    }

    /// <summary>Puts back what was moved aside, where it has not come to its end.</summary>
    /// <returns>Where some of the old stays that could not be put back; else null.</returns>
    public string? PutBack()
    {
        using var aside = TryOpen(_places.Aside);
        var isComplete = IsComplete;
        if (!Has(_home, Path.GetFileName(_places.Staging)) || (aside is not null && !isComplete))
        {
            return null;
        }

        foreach (var name in RedisPlaces.NamesIn(_target))
        {
            if (isComplete && name != _target.AppendName && !Has(_staging!, name) && Has(_home, name))
            {
                Move(_home, _staging!, name);
            }

            if (aside is not null && Has(aside, name) && !Has(_home, name))
            {
                Move(aside, _home, name);
            }
        }

        Flush();
        // The only copy of what was there: it goes only where nothing of it is left in it.
        string? left = null;
        if (aside is not null && RedisPlaces.NamesIn(_target).Any(name => Has(aside, name)))
        {
            // By another name: aside under its own it would say that the restore is finished.
            left = _places.Aside + "-left";
            Posix.MoveAt(_home, NameOf(_places.Aside), _home, NameOf(left));
        }
        else
        {
            TreeRemoval.Remove(_home, NameOf(_places.Aside));
        }

        Flush();
        // Everything is back. The mark goes first: new files that are missing beside it would say that they are in their places, and
        // whoever comes after a crash would take the old ones for them.
        Unmark();
        RemoveStaging();
        return left;
    }

    public void RemoveStaging() => TreeRemoval.Remove(_home, NameOf(_places.Staging));

    public void Dispose()
    {
        _staging?.Dispose();
        _home.Dispose();
    }

    private SafeFileHandle MakeAside()
    {
        Posix.MakeDirectoryAt(_home, NameOf(_places.Aside));
        var aside = TryOpen(_places.Aside) ?? throw new IOException($"{_places.Aside} was exchanged at this moment");
        LocalFolder.WritePrivateFile(Path.Combine(LiveOf(aside), "README"), "What was here before a restore in place. Stop the server and move it back to undo that.\n"u8);
        OwnedFolder.Give(LiveOf(aside), Owner());
        return aside;
    }

    /// <summary>The hidden folder where it is the console's own; what another made under its name is no sign of anything.</summary>
    private SafeFileHandle? TryOpenOwn()
    {
        if (TryOpen(_places.Staging) is not { } opened)
        {
            return null;
        }

        var stat = Posix.Stat(opened, Posix.ToPath(_places.Staging));
        if (stat.User == Posix.EffectiveUser && (stat.Mode & OthersMayWrite) == 0)
        {
            return opened;
        }

        opened.Dispose();
        return null;
    }

    private SafeFileHandle? TryOpen(string path)
    {
        var name = NameOf(path);
        return Posix.TryStatAt(_home, name) is { Kind: TreeNodeKind.Directory } ? Posix.OpenDirectoryAt(_home, name) : null;
    }

    private void Move(SafeFileHandle from, SafeFileHandle to, string name)
    {
        if (Has(to, name))
        {
            throw new IOException($"{name} is there twice in {_target.Path}");
        }

        Posix.MoveAt(from, NameOf(name), to, NameOf(name));
    }

    private void Unmark()
    {
        if (IsComplete)
        {
            Posix.RemoveAt(_staging!, NameOf(CompleteName), isDirectory: false);
            LocalFolder.Flush(LiveOf(_staging!));
        }
    }

    private void Flush() => LocalFolder.Flush(LiveOf(_home));

    private ServerUser Owner()
    {
        var stat = Posix.Stat(_home, Posix.ToPath(_target.Path));
        return new ServerUser(stat.User.ToString(CultureInfo.InvariantCulture), stat.User, stat.Group, "/");
    }

    private static bool Has(SafeFileHandle folder, string name) => Posix.TryStatAt(folder, NameOf(name)) is not null;

    private static byte[] NameOf(string path) => Posix.ToPath(Path.GetFileName(path));

    private static string LiveOf(SafeFileHandle folder) => Encoding.ASCII.GetString(Posix.LiveName(folder)[..^1]);
}
