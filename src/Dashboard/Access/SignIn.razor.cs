using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.Options;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>The sign-in page: plain HTML and a form post, since only an HTTP answer can set the session's cookie.</summary>
public partial class SignIn
{
    private string? _problem;
    private string? _hint;
    private Status _problemStatus = Status.Failed;

    /// <summary>What the form sent.</summary>
    [SupplyParameterFromForm(FormName = "sign-in")]
    public SignInInput? Input { get; set; }

    /// <summary>Where the person wanted to go.</summary>
    [SupplyParameterFromQuery]
    public string? ReturnUrl { get; set; }

    /// <summary>False where somebody signed out and only this browser could be told.</summary>
    [SupplyParameterFromQuery]
    public bool? Ended { get; set; }

    [CascadingParameter]
    private HttpContext HttpContext { get; set; } = default!;

    [Inject]
    private SignInDesk Desk { get; set; } = default!;

    [Inject]
    private KnownBrowsers Browsers { get; set; } = default!;

    [Inject]
    private ISessionStore Sessions { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private IOptions<DashboardOptions> Options { get; set; } = default!;

    private string EstateSentence => Figures.Format(AccessTexts.SignInEstate, Options.Value.EstateName);

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        Input ??= new SignInInput();
        HttpContext.Response.Headers.CacheControl = "no-store";
        if (HttpContext.User.Identity is { IsAuthenticated: true } && HttpMethods.IsGet(HttpContext.Request.Method))
        {
            Navigation.NavigateTo(LocalUrl.OrRoot(ReturnUrl));
        }

        if (Ended == false)
        {
            (_problem, _hint, _problemStatus) = (AccessTexts.SignOutHalf, AccessTexts.SignOutHalfHint, Status.Waiting);
        }
    }

    private async Task SubmitAsync()
    {
        try
        {
            var outcome = await Desk.TryAsync(Input?.Name, Input?.Password, Browsers.MarkOf(HttpContext.Request, Input?.Name), HttpContext.RequestAborted);
            switch (outcome)
            {
                case SignInOutcome.Accepted accepted:
                    await BeginAsync(accepted.User);
                    Browsers.Remember(HttpContext, accepted.User.Name);
                    Navigation.NavigateTo(LocalUrl.OrRoot(ReturnUrl));
                    break;
                case SignInOutcome.LockedOut locked:
                    Say(
                        Figures.Format(AccessTexts.LockedOut, Figures.Duration(Up(locked.Left))),
                        AccessTexts.LockedOutHint, Status.Waiting, StatusCodes.Status429TooManyRequests);
                    break;
                default:
                    Say(AccessTexts.Refused, AccessTexts.RefusedHint, Status.Failed, StatusCodes.Status401Unauthorized);
                    break;
            }
        }
        catch (EngineException fault)
        {
            Say(AccessTexts.DirectoryUnavailable, fault.Hint ?? fault.Message, Status.Failed, StatusCodes.Status503ServiceUnavailable);
        }
    }

    /// <summary>The session that this browser had ends: its tabs must not go on in the name of whoever sat there before.</summary>
    private async Task BeginAsync(ConsoleUser user)
    {
        // From before the store begins it, so that no cookie outlives its session.
        var ends = Time.GetUtcNow() + Options.Value.LongestSession;
        var session = await Sessions.BeginAsync(user.Name, HttpContext.RequestAborted);
        if (ConsoleSession.IdOf(HttpContext.User) is { } former)
        {
            await Sessions.EndAsync(former, HttpContext.RequestAborted);
        }

        await HttpContext.SignInAsync(CookieAuthenticationDefaults.AuthenticationScheme, ConsoleSession.PrincipalOf(user, session, ends));
    }

    // Rounded up: who waits for the time told must not meet the lock again.
    private static TimeSpan Up(TimeSpan left) => TimeSpan.FromSeconds(Math.Ceiling(left.TotalSeconds));

    private void Say(string problem, string hint, Status status, int code)
    {
        (_problem, _hint, _problemStatus) = (problem, hint, status);
        HttpContext.Response.StatusCode = code;
    }
}

/// <summary>The form's fields.</summary>
public sealed class SignInInput
{
    public string? Name { get; set; }

    public string? Password { get; set; }
}
