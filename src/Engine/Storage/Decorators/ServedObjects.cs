using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Engine.Storage.Decorators;

/// <summary>
/// Tells an object that a server does not give from a server that gives nothing, of which a fault alone says nothing. It is the object
/// where the server answered every try with an error of its own (never where no answer came, or one of too much work), and then gives
/// something of another object, which it gave before, several times in a row: a server that fails at random passes that seldom, and a
/// try of the object itself follows. What was found holds for a while, so that who asks again does not wait anew.
/// </summary>
internal sealed class ServedObjects(IObjectStore inner, TimeProvider time)
{
    /// <summary>Fewer tries say nothing.</summary>
    public const int LeastTries = 3;

    private const int Proofs = 3;
    private static readonly TimeSpan s_holds = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<string, (EngineException Fault, long At)> _notGiven = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private (string Key, long Offset)? _last;
    private (string Key, long Offset)? _before;

    /// <summary>True once an object was found that is not given: others are likely, and need no such patience.</summary>
    public bool HasFound => !_notGiven.IsEmpty;

    /// <summary>The server gave this.</summary>
    public void Given(string key, long offset)
    {
        _notGiven.TryRemove(key, out _);
        lock (_gate)
        {
            if (_last?.Key != key)
            {
                (_last, _before) = ((key, offset), _last);
            }
        }
    }

    /// <exception cref="EngineException">It was found a short while ago that the server does not give it.</exception>
    public void RequireGiven(string key)
    {
        if (_notGiven.TryGetValue(key, out var found) && time.GetElapsedTime(found.At) < s_holds)
        {
            throw StoreFaults.NotGiven(inner.Url, key, found.Fault);
        }
    }

    /// <summary>Remembers that the server does not give it, and says so.</summary>
    public EngineException NotGiven(string key, EngineException fault)
    {
        _notGiven[key] = (fault, time.GetTimestamp());
        return StoreFaults.NotGiven(inner.Url, key, fault);
    }

    /// <summary>True where the server gives another object now. False also where none was read yet: then nobody can tell.</summary>
    public async Task<bool> AreOthersGivenAsync(string key, CancellationToken cancellationToken)
    {
        (string Key, long Offset)?[] known;
        lock (_gate)
        {
            known = [_last, _before];
        }

        foreach (var (other, offset) in known.OfType<(string Key, long Offset)>().Where(one => one.Key != key))
        {
            if (await IsGivenAsync(other, offset, cancellationToken))
            {
                return true;
            }
        }

        return false;
    }

    private async Task<bool> IsGivenAsync(string key, long offset, CancellationToken cancellationToken)
    {
        try
        {
            for (var proof = 0; proof < Proofs; proof++)
            {
                await inner.ReadAsync(key, offset, new byte[1], cancellationToken);
            }

            return true;
        }
        catch (EngineException)
        {
            // Whatever is wrong with this one, too, it proves nothing.
            return false;
        }
    }
}
