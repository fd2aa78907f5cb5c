using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;
using Microsoft.Extensions.Options;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// The same check for a page that stays open: a circuit sends no cookie, so that without this a person who was
/// disabled, or signed out in another tab, could go on until they close this one.
/// </summary>
public sealed class CircuitSession(
    ILoggerFactory loggerFactory, IServiceScopeFactory scopes, IOptions<DashboardOptions> options, TimeProvider time)
    : RevalidatingServerAuthenticationStateProvider(loggerFactory)
{
    /// <inheritdoc/>
    protected override TimeSpan RevalidationInterval => options.Value.SessionCheckInterval;

    /// <inheritdoc/>
    protected override async Task<bool> ValidateAuthenticationStateAsync(
        AuthenticationState authenticationState, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<IUserDirectory>();
        var sessions = scope.ServiceProvider.GetRequiredService<ISessionStore>();
        return await ConsoleSession.HoldsAsync(authenticationState.User, users, sessions, time.GetUtcNow(), cancellationToken);
    }
}
