namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Takes a restore in place back that had come to its end: the files that it put aside return. What it had put in their place goes,
/// unless a server has written to it since. Called again after a crash it goes on where it stopped.
/// </summary>
/// <remarks>All of it through directories that are held open, as in <see cref="RedisExchange"/>.</remarks>
internal sealed class RedisTakeBack : IDisposable
{
    /// <summary>Says in the folder of the old files that all of them have returned.</summary>
    private const string EndedName = "taken-back";

    private const string RecoveredName = "recovered";
    private readonly RedisDirectoryTarget _target;
    private readonly RedisPlaces _places;
    private readonly HeldFolder _home;
    private readonly HeldFolder _aside;

    private RedisTakeBack(RedisDirectoryTarget target, RedisPlaces places)
    {
        (_target, _places) = (target, places);
        _home = HeldFolder.Open(target.Path);
        try
        {
            var name = NameOf(places.Aside);
            _aside = _home.TryOpen(name) ?? throw _home.Exchanged(name);
        }
        catch
        {
            _home.Dispose();
            throw;
        }
    }

    /// <returns>What was done, as a line for the log.</returns>
    /// <exception cref="EngineException"><c>server-running</c>; <c>directory-missing</c>; <c>directory-taken</c>: nothing was moved.</exception>
    public static string Go(RedisDirectoryTarget target, RedisPlaces places)
    {
        RedisDirectoryRestore.RequireStopped(target);
        using var work = new RedisTakeBack(target, places);
        return work.Go();
    }

    public void Dispose()
    {
        _aside.Dispose();
        _home.Dispose();
    }

    private string Go()
    {
        if (!_aside.Has(EndedName))
        {
            using var recovered = OpenOwnRecovered() ?? _home.Make(NameOf(_places.Recovered));
            foreach (var name in RedisPlaces.NamesIn(_target))
            {
                Return(recovered, name);
            }

            _home.Flush();
            _aside.Mark(EndedName, "the old files are back in their places\n"u8);
        }

        var isKept = false;
        using (var recovered = OpenOwnRecovered())
        {
            isKept = recovered is not null && WasWrittenTo(recovered);
            if (recovered is not null && !isKept)
            {
                _home.Move(NameOf(_places.Recovered), _aside, RecoveredName);
            }
        }

        // One rename ends it, and what is deleted bears a name that says nothing: half of the folder under its own, without its mark,
        // would say that the files are still to be returned, and move the old ones away.
        var hidden = NameOf(_places.Staging);
        _home.Remove(hidden);
        _home.Move(NameOf(_places.Aside), _home, hidden);
        _home.Flush();
        _home.Remove(hidden);
        return isKept
            ? $"{_target.Path} is as it was before the restore; what a server wrote there since is kept in {_places.Recovered}"
            : $"{_target.Path} is as it was before the restore";
    }

    /// <summary>A name that has its mark has been dealt with: what bears it is the old file, or there was none.</summary>
    private void Return(HeldFolder recovered, string name)
    {
        var mark = $".{name}";
        if (recovered.Has(mark))
        {
            return;
        }

        // No restore puts the log of older servers there: without an old one aside, the one that is there is the old one.
        if (_home.Has(name) && !recovered.Has(name) && (name != _target.AppendName || _aside.Has(name)))
        {
            _home.Move(name, recovered);
        }

        // From here on what is at its place is the old one.
        if (_aside.Has(name))
        {
            _aside.Move(name, _home);
        }

        recovered.Mark(mark, ""u8);
    }

    /// <summary>The restore made one file with two names, and nothing else; whatever is more or other, a server wrote.</summary>
    private bool WasWrittenTo(HeldFolder recovered)
    {
        var based = $"{_target.AppendName}.1.base.rdb";
        using var append = recovered.TryOpen(_target.AppendDirectory);
        if (append is null || recovered.Has(_target.AppendName)
            || recovered.TryStat(_target.DumpName) is not { } one || append.TryStat(based) is not { } other)
        {
            return true;
        }

        return (one.Device, one.Inode) != (other.Device, other.Inode)
            || append.Names.Any(name => name != based && !name.EndsWith(".manifest", StringComparison.Ordinal) && append.TryStat(name) is not { Size: 0 });
    }

    /// <summary>
    /// Null where there is none. The marks in it say what has been dealt with: in a folder that somebody else could write to they say
    /// nothing, and where one stands in the way, nothing is moved.
    /// </summary>
    private HeldFolder? OpenOwnRecovered()
    {
        var name = NameOf(_places.Recovered);
        if (!_home.Has(name))
        {
            return null;
        }

        var opened = _home.TryOpen(name);
        if (opened is { IsOwn: true })
        {
            return opened;
        }

        opened?.Dispose();
        throw new EngineException("directory-taken", ErrorKind.Conflict, $"{_places.Recovered} was put there by somebody else; nothing was moved",
            "look at what it is, move it away, and take the restore back again");
    }

    private static string NameOf(string path) => Path.GetFileName(path);
}
