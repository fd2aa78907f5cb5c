using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

/// <summary>The sessions' contract, in memory.</summary>
internal sealed class MemorySessions(TimeProvider time) : ISessionStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (string Person, DateTimeOffset Ends)> _sessions = new(StringComparer.Ordinal);

    /// <summary>False: it does not answer.</summary>
    public bool IsUp { get; set; } = true;

    public Task<string> BeginAsync(string person, CancellationToken cancellationToken)
    {
        var id = Guid.NewGuid().ToString("n");
        Answering();
        lock (_gate)
        {
            _sessions[id] = (person, time.GetUtcNow() + TimeSpan.FromHours(24));
        }

        return Task.FromResult(id);
    }

    public Task<bool> HoldsAsync(string id, string person, CancellationToken cancellationToken)
    {
        Answering();
        lock (_gate)
        {
            return Task.FromResult(_sessions.TryGetValue(id, out var session) && session.Person == person && session.Ends > time.GetUtcNow());
        }
    }

    public Task EndAsync(string id, CancellationToken cancellationToken)
    {
        Answering();
        lock (_gate)
        {
            _sessions.Remove(id);
        }

        return Task.CompletedTask;
    }

    public Task EndAllAsync(string id, CancellationToken cancellationToken)
    {
        Answering();
        lock (_gate)
        {
            if (_sessions.TryGetValue(id, out var own))
            {
                _sessions.Where(one => one.Value.Person == own.Person).ToList().ForEach(one => _sessions.Remove(one.Key));
            }
        }

        return Task.CompletedTask;
    }

    private void Answering()
    {
        if (!IsUp)
        {
            throw new EngineException("catalog-unavailable", ErrorKind.Unavailable, "the catalog does not answer", "start PostgreSQL again");
        }
    }
}
