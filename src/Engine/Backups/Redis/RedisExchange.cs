using System.Globalization;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// The new files in the place of the old ones, and back. The data directory belongs to the server's user, who may put anything in the
/// place of the folders that are made in it; so all of them are reached through directories that are held open, and the hidden one
/// stays the console's own: nobody else can write into it.
/// </summary>
internal sealed class RedisExchange : IDisposable
{
    private const string CompleteName = "complete";
    private readonly RedisDirectoryTarget _target;
    private readonly RedisPlaces _places;
    private readonly HeldFolder _home;
    private HeldFolder? _staging;

    public RedisExchange(RedisDirectoryTarget target, RedisPlaces places)
    {
        (_target, _places) = (target, places);
        _home = HeldFolder.Open(target.Path);
        _staging = TryOpenOwn();
    }

    /// <summary>True where the new files are whole.</summary>
    public bool IsComplete => _staging?.Has(CompleteName) == true;

    /// <summary>Makes the hidden folder anew; what a killed attempt left unfinished is not trusted.</summary>
    /// <returns>A path that leads into it and nowhere else.</returns>
    public string Begin()
    {
        _staging?.Dispose();
        _staging = null;
        RemoveStaging();
        using (_home.Make(NameOf(_places.Staging)))
        {
            _staging = TryOpenOwn() ?? throw _home.Exchanged(NameOf(_places.Staging));
        }

        return _staging.Live;
    }

    /// <summary>Gives the new files to the server's user, and says that they are whole. The folder stays the console's.</summary>
    public void Complete()
    {
        foreach (var name in RedisPlaces.NamesIn(_target).Where(_staging!.Has))
        {
            OwnedFolder.Give(_staging.Handle, name, Owner());
        }

        _staging.Mark(CompleteName, "the new files are whole\n"u8);
    }

    /// <summary>
    /// A name that is still in the hidden folder has not been put in its place: what bears it in the directory is the old one.
    /// The log file of servers before Redis 7 has no new one, and goes aside before anything else.
    /// </summary>
    public void Swap()
    {
        using var aside = _home.TryOpen(NameOf(_places.Aside)) ?? MakeAside();
        foreach (var name in RedisPlaces.NamesIn(_target).Reverse())
        {
            var isPlaced = name != _target.AppendName && !_staging!.Has(name);
            if (!isPlaced && _home.Has(name))
            {
                _home.Move(name, aside);
            }

            if (_staging!.Has(name))
            {
                _staging!.Move(name, _home);
            }
        }

        aside.Flush();
        _home.Flush();
        // From here on it is finished; whoever comes after a crash must not take what is left of the folder for a beginning.
        Unmark();
        RemoveStaging();
        _home.Flush();
    }

    /// <summary>Puts back what was moved aside, where it has not come to its end.</summary>
    /// <returns>Where some of the old stays that could not be put back; else null.</returns>
    public string? PutBack()
    {
        using var aside = _home.TryOpen(NameOf(_places.Aside));
        var isComplete = IsComplete;
        if (!_home.Has(NameOf(_places.Staging)) || (aside is not null && !isComplete))
        {
            return null;
        }

        foreach (var name in RedisPlaces.NamesIn(_target))
        {
            if (isComplete && name != _target.AppendName && !_staging!.Has(name) && _home.Has(name))
            {
                _home.Move(name, _staging!);
            }

            if (aside is not null && aside.Has(name) && !_home.Has(name))
            {
                aside.Move(name, _home);
            }
        }

        _home.Flush();
        // The only copy of what was there: it goes only where nothing of it is left in it.
        string? left = null;
        if (aside is not null && RedisPlaces.NamesIn(_target).Any(name => aside.Has(name)))
        {
            // By another name: aside under its own it would say that the restore is finished.
            left = _places.Aside + "-left";
            _home.Move(NameOf(_places.Aside), _home, NameOf(left));
        }
        else
        {
            _home.Remove(NameOf(_places.Aside));
        }

        _home.Flush();
        // Everything is back. The mark goes first: new files that are missing beside it would say that they are in their places, and
        // whoever comes after a crash would take the old ones for them.
        Unmark();
        RemoveStaging();
        return left;
    }

    public void RemoveStaging() => _home.Remove(NameOf(_places.Staging));

    public void Dispose()
    {
        _staging?.Dispose();
        _home.Dispose();
    }

    private HeldFolder MakeAside()
    {
        var aside = _home.Make(NameOf(_places.Aside));
        aside.Mark("README", "What was here before a restore in place. Stop the server and move it back to undo that.\n"u8);
        OwnedFolder.Give(aside.Live, Owner());
        return aside;
    }

    /// <summary>The hidden folder where it is the console's own; what another made under its name is no sign of anything.</summary>
    private HeldFolder? TryOpenOwn()
    {
        var opened = _home.TryOpen(NameOf(_places.Staging));
        if (opened is null or { IsOwn: true })
        {
            return opened;
        }

        opened.Dispose();
        return null;
    }

    private void Unmark()
    {
        if (IsComplete)
        {
            _staging!.Remove(CompleteName);
            _staging.Flush();
        }
    }

    private ServerUser Owner()
    {
        var stat = _home.Stat;
        return new ServerUser(stat.User.ToString(CultureInfo.InvariantCulture), stat.User, stat.Group, "/");
    }

    private static string NameOf(string path) => Path.GetFileName(path);
}
