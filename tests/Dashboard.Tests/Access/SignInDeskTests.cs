using Hexabase.DrConsole.Dashboard.Access;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

public sealed class SignInDeskTests
{
    private const string Password = "correct horse";

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 3, 0, 0, TimeSpan.Zero));
    private readonly MemoryUserDirectory _users = new();
    private readonly PasswordHasher _hasher = new(new PasswordCost(64, 1));
    private readonly SignInDesk _desk;

    public SignInDeskTests()
    {
        _users.Put(new ConsoleUser("k.ito", _hasher.Hash(Password), ConsoleRole.Operator, 0, null, false));
        _users.Put(new ConsoleUser("gone", _hasher.Hash(Password), ConsoleRole.Admin, 0, null, true));
        _desk = new SignInDesk(_users, _hasher, LockOutPolicy.Default, new FailureMemory(LockOutPolicy.Default, _time), _time);
    }

    [Theory]
    [InlineData("k.ito")]
    [InlineData("  K.Ito ")]
    public async Task Try_right_password_is_accepted(string name)
    {
        var accepted = Assert.IsType<SignInOutcome.Accepted>(await TryAsync(name, Password));
        Assert.Equal(ConsoleRole.Operator, accepted.User.Role);
    }

    [Theory]
    [InlineData("k.ito", "wrong")]
    [InlineData("nobody", Password)]
    [InlineData("gone", Password)]
    [InlineData("", Password)]
    [InlineData("k.ito", "")]
    [InlineData(null, null)]
    public async Task Try_wrong_name_password_or_disabled_is_refused_alike(string? name, string? password)
        => Assert.IsType<SignInOutcome.Refused>(await TryAsync(name, password));

    [Theory]
    [InlineData("k.ito")]
    [InlineData("nobody")]
    [InlineData("gone")]
    public async Task Try_fifth_failure_locks_known_and_unknown_names_alike(string name)
    {
        for (var attempt = 1; attempt < 5; attempt++)
        {
            Assert.IsType<SignInOutcome.Refused>(await TryAsync(name, "wrong"));
        }

        Assert.Equal(TimeSpan.FromMinutes(1), Assert.IsType<SignInOutcome.LockedOut>(await TryAsync(name, "wrong")).Left);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(TimeSpan.FromSeconds(40), Assert.IsType<SignInOutcome.LockedOut>(await TryAsync(name, Password)).Left);
    }

    [Fact]
    public async Task Try_after_the_lock_right_password_clears_the_count()
    {
        await FailAsync("k.ito", 5);
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.IsType<SignInOutcome.Accepted>(await TryAsync("k.ito", Password));
        Assert.Equal(0, _users["k.ito"].FailedAttempts);
        Assert.Null(_users["k.ito"].LockedUntil);
    }

    [Fact]
    public async Task Try_attempts_while_locked_are_not_counted()
    {
        await FailAsync("k.ito", 9);
        Assert.Equal(5, _users["k.ito"].FailedAttempts);
    }

    [Fact]
    public async Task Try_each_further_failure_doubles_the_lock_up_to_the_longest()
    {
        await FailAsync("k.ito", 4);
        foreach (var minutes in new[] { 1, 2, 4, 8, 15, 15 })
        {
            var locked = Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", "wrong"));
            Assert.Equal(TimeSpan.FromMinutes(minutes), locked.Left);
            _time.Advance(locked.Left);
        }
    }

    [Fact]
    public async Task Confirm_is_not_locked_by_whoever_guesses_at_the_sign_in_page_and_locks_nobody_out_there()
    {
        await FailAsync("k.ito", 5);
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", Password));
        Assert.IsType<SignInOutcome.Accepted>(await ConfirmAsync(Password));
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", Password));

        _time.Advance(TimeSpan.FromMinutes(1));
        for (var attempt = 1; attempt < 5; attempt++)
        {
            Assert.IsType<SignInOutcome.Refused>(await ConfirmAsync("wrong"));
        }

        Assert.IsType<SignInOutcome.LockedOut>(await ConfirmAsync("wrong"));
        Assert.IsType<SignInOutcome.LockedOut>(await ConfirmAsync(Password));
        Assert.IsType<SignInOutcome.Accepted>(await TryAsync("k.ito", Password));

        // Whoever guessed may have sat in another session; who signs in anew has given the password.
        Assert.IsType<SignInOutcome.Accepted>(await ConfirmAsync(Password));
        Assert.Equal(0, _users["k.ito"].ConfirmFailures);
    }

    [Fact]
    public async Task Try_in_a_known_browser_is_locked_by_its_own_failures_only()
    {
        await FailAsync("k.ito", 5);
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", Password));
        Assert.IsType<SignInOutcome.Accepted>(await TryAsync("k.ito", Password, "own"));

        for (var attempt = 1; attempt < 5; attempt++)
        {
            Assert.IsType<SignInOutcome.Refused>(await TryAsync("k.ito", "wrong", "own"));
        }

        Assert.Equal(TimeSpan.FromMinutes(1), Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", "wrong", "own")).Left);
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", Password, "own"));
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("k.ito", Password));
        Assert.IsType<SignInOutcome.Accepted>(await TryAsync("k.ito", Password, "another"));
    }

    [Fact]
    public async Task Confirm_of_one_person_asks_one_at_a_time_and_lets_others_through()
    {
        var flood = Enumerable.Range(0, 50).Select(_ => ConfirmAsync(Password)).ToList();

        Assert.IsType<SignInOutcome.Refused>(await _desk.ConfirmAsync("gone", Password, TestContext.Current.CancellationToken));
        Assert.All(await Task.WhenAll(flood), outcome => Assert.IsType<SignInOutcome.Accepted>(outcome));
    }

    [Fact]
    public async Task Try_hash_of_another_cost_is_renewed()
    {
        _users.Put(_users["k.ito"] with { PasswordHash = new PasswordHasher(new PasswordCost(128, 2)).Hash(Password) });

        var accepted = Assert.IsType<SignInOutcome.Accepted>(await TryAsync("k.ito", Password));

        Assert.False(_hasher.NeedsRenewal(_users["k.ito"].PasswordHash));
        Assert.Equal(_users["k.ito"].SessionStamp(), accepted.User.SessionStamp());
    }

    [Fact]
    public async Task Try_endless_unknown_names_stay_bounded_and_the_newest_is_counted()
    {
        for (var index = 0; index < 5000; index++)
        {
            await TryAsync($"nobody-{index}", "wrong");
        }

        await FailAsync("nobody-4999", 3);
        Assert.IsType<SignInOutcome.LockedOut>(await TryAsync("nobody-4999", "wrong"));
    }

    [Fact]
    public void SessionStamp_changes_with_role_password_and_state_only()
    {
        var user = _users["k.ito"];
        var stamp = user.SessionStamp();
        Assert.Equal(stamp, (user with { FailedAttempts = 3, LockedUntil = _time.GetUtcNow() }).SessionStamp());
        Assert.NotEqual(stamp, (user with { Role = ConsoleRole.Admin }).SessionStamp());
        Assert.NotEqual(stamp, (user with { IsDisabled = true }).SessionStamp());
        Assert.NotEqual(stamp, (user with { PasswordHash = _hasher.Hash("other") }).SessionStamp());
    }

    private async Task FailAsync(string name, int times)
    {
        for (var attempt = 0; attempt < times; attempt++)
        {
            await TryAsync(name, "wrong");
        }
    }

    private Task<SignInOutcome> ConfirmAsync(string password) => _desk.ConfirmAsync("k.ito", password, TestContext.Current.CancellationToken);

    private Task<SignInOutcome> TryAsync(string? name, string? password, string? browser = null)
        => _desk.TryAsync(name, password, browser, TestContext.Current.CancellationToken);
}
