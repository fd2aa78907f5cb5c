using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

/// <summary>The user directory's contract, in memory.</summary>
internal sealed class MemoryUserDirectory : IUserDirectory
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ConsoleUser> _users = new(StringComparer.Ordinal);

    public ConsoleUser this[string name] => _users[name];

    public void Put(ConsoleUser user) => _users[user.Name] = user;

    /// <summary>False: it does not answer.</summary>
    public bool IsUp { get; set; } = true;

    public Task<ConsoleUser?> FindAsync(string name, CancellationToken cancellationToken) => IsUp
        ? Task.FromResult(_users.GetValueOrDefault(name))
        : throw new EngineException("catalog-unavailable", ErrorKind.Unavailable, "the catalog does not answer", "start PostgreSQL again");

    public Task<ConsoleUser?> RecordFailureAsync(
        string name, PasswordUse use, Func<int, DateTimeOffset?> lockedUntil, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_users.TryGetValue(name, out var user))
            {
                return Task.FromResult<ConsoleUser?>(null);
            }

            var failures = user.FailuresOf(use) + 1;
            _users[name] = use == PasswordUse.SignIn
                ? user with { FailedAttempts = failures, LockedUntil = lockedUntil(failures) }
                : user with { ConfirmFailures = failures, ConfirmLockedUntil = lockedUntil(failures) };
            return Task.FromResult<ConsoleUser?>(_users[name]);
        }
    }

    public Task RecordSuccessAsync(string name, PasswordUse use, string? renewedPasswordHash, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var user = _users[name];
            user = user with { ConfirmFailures = 0, ConfirmLockedUntil = null };
            user = use == PasswordUse.SignIn ? user with { FailedAttempts = 0, LockedUntil = null } : user;
            _users[name] = user with { PasswordHash = renewedPasswordHash ?? user.PasswordHash };
        }

        return Task.CompletedTask;
    }
}
