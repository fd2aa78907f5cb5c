using System.Security.Claims;
using System.Text.Encodings.Web;
using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Who may use the API: a person by the session's cookie, a program by a bearer token. Both are turned away in JSON, never with a page.</summary>
public sealed class TokenAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logs, UrlEncoder encoder, ApiTokens tokens)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logs, encoder)
{
    /// <summary>The cookie or the token, whichever the request brings.</summary>
    public const string ApiScheme = "api";
    internal const string TokenClaim = "drconsole:token";

    private const string TokenScheme = "token";
    private const string Bearer = "Bearer ";

    private bool _isCatalogAway;

    internal static void Add(AuthenticationBuilder builder) => builder
        .AddScheme<AuthenticationSchemeOptions, TokenAuthentication>(TokenScheme, null)
        .AddPolicyScheme(ApiScheme, null, scheme =>
        {
            scheme.ForwardDefaultSelector = context => context.Request.Headers.Authorization.Count > 0 ? TokenScheme : CookieAuthenticationDefaults.AuthenticationScheme;
            scheme.ForwardChallenge = TokenScheme;
            scheme.ForwardForbid = TokenScheme;
        });

    /// <summary>The policies of the pages, for whoever comes by the API.</summary>
    internal static AuthorizationPolicy Policy(params ConsoleRole[] roles) =>
        new AuthorizationPolicyBuilder(ApiScheme).RequireAuthenticatedUser().RequireRole(roles.Select(role => role.ToString())).Build();

    /// <inheritdoc/>
    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.NoResult();
        }

        try
        {
            return await tokens.FindAsync(header[Bearer.Length..].Trim(), Context.RequestAborted) is { } token
                ? AuthenticateResult.Success(new AuthenticationTicket(PrincipalOf(token), Scheme.Name))
                : AuthenticateResult.Fail("the token is unknown or revoked");
        }
        catch (NpgsqlException fault) when (RunExecution.IsCatalogAway(fault))
        {
            _isCatalogAway = true;
            return AuthenticateResult.Fail(fault);
        }
    }

    /// <inheritdoc/>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_isCatalogAway)
        {
            // Nothing is wrong with the token as far as anybody knows: a program must try again, not ask for another one.
            return ApiProblems.WriteCatalogAwayAsync(Context);
        }

        Response.Headers.WWWAuthenticate = "Bearer";
        return ApiProblems.WriteAsync(Context, StatusCodes.Status401Unauthorized, "not-signed-in", "the request brings no session and no token that holds",
            "Sign in, or send 'Authorization: Bearer …' with a token made by: drconsole token add NAME --role R");
    }

    /// <inheritdoc/>
    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        ApiProblems.WriteAsync(Context, StatusCodes.Status403Forbidden, "role-missing", "your role does not suffice for this", "Ask an admin for another role, or for a token with one.");

    private ClaimsPrincipal PrincipalOf(ApiToken token) => new(new ClaimsIdentity(
        [new Claim(ClaimTypes.Name, token.Actor), new Claim(ClaimTypes.Role, token.Role.ToString()), new Claim(TokenClaim, token.Name)], Scheme.Name));
}
