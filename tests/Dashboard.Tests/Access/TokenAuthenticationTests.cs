using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Api;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

/// <summary>A program whose token cannot be looked up is told to try again, not that its token is worth nothing.</summary>
public sealed class TokenAuthenticationTests
{
    [Fact]
    public async Task While_the_catalog_is_away_a_token_is_neither_good_nor_bad()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        TokenAuthentication.Add(builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie());
        builder.Services.AddAuthorization();
        // Nobody listens there.
        builder.Services.AddSingleton(NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody;Database=none;Timeout=5"));
        builder.Services.AddSingleton<ApiTokens>();
        await using var app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapGet("/api/v1/probe", () => "in").RequireAuthorization(ApiEndpoints.CanView);
        var ct = TestContext.Current.CancellationToken;
        await app.StartAsync(ct);
        using var program = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "catalog-unavailable"), await AskAsync("drc_made-by-somebody"));
        Assert.Equal((HttpStatusCode.Unauthorized, "not-signed-in"), await AskAsync("no token at all"));

        async Task<(HttpStatusCode, string)> AskAsync(string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/probe");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await program.SendAsync(request, ct);
            return (answer.StatusCode, (await answer.Content.ReadFromJsonAsync<ApiProblem>(ct))!.Code);
        }
    }
}
