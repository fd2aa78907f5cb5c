using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Api;
using Microsoft.AspNetCore.Routing;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

/// <summary>Every address for programs has a role that is written down here, and lets nobody in without it.</summary>
public sealed partial class EndpointRoleTests
{
    private static readonly ConsoleRole[] s_all = [ConsoleRole.Viewer, ConsoleRole.Operator, ConsoleRole.Approver, ConsoleRole.Admin];
    private static readonly ConsoleRole[] s_operators = [ConsoleRole.Operator, ConsoleRole.Admin];
    private static readonly ConsoleRole[] s_approvers = [ConsoleRole.Approver, ConsoleRole.Admin];
    private static readonly ConsoleRole[] s_admins = [ConsoleRole.Admin];

    /// <summary>An address that is not in here fails the test.</summary>
    private static readonly Dictionary<string, ConsoleRole[]> s_roles = new()
    {
        ["GET /api/openapi/{documentName}.json"] = s_all,
        ["* /api/{**rest}"] = s_all,
        ["* /hubs/live"] = s_all,
        ["* /hubs/live/negotiate"] = s_all,
        ["GET /api/v1/sources"] = s_all,
        ["GET /api/v1/sources/{name}"] = s_all,
        ["POST /api/v1/sources/{name}/backups"] = s_operators,
        ["GET /api/v1/restore-points"] = s_all,
        ["GET /api/v1/restore-points/{id}"] = s_all,
        ["POST /api/v1/restore-points/{id}/validations"] = s_operators,
        ["POST /api/v1/restore-points/{id}/restores/plan"] = s_operators,
        ["POST /api/v1/restores"] = s_operators,
        ["POST /api/v1/sources/{name}/drills"] = s_operators,
        ["GET /api/v1/maintenance"] = s_all,
        ["POST /api/v1/maintenance"] = s_operators,
        ["POST /api/v1/maintenance/{id:long}/end"] = s_operators,
        ["GET /api/v1/runs"] = s_all,
        ["GET /api/v1/runs/{id:long}"] = s_all,
        ["GET /api/v1/runs/{id:long}/steps"] = s_all,
        ["GET /api/v1/runs/{id:long}/events"] = s_all,
        ["POST /api/v1/runs/{id:long}/cancel"] = s_operators,
        ["GET /api/v1/incidents"] = s_all,
        ["GET /api/v1/incidents/replay"] = s_all,
        ["GET /api/v1/incidents/{id:long}"] = s_all,
        ["POST /api/v1/incidents/{id:long}/acknowledge"] = s_operators,
        ["POST /api/v1/incidents/{id:long}/close"] = s_operators,
        ["GET /api/v1/plans"] = s_all,
        ["GET /api/v1/plans/{name}"] = s_all,
        ["POST /api/v1/plans"] = s_admins,
        ["GET /api/v1/plans/{name}/readiness"] = s_all,
        ["GET /api/v1/readiness"] = s_all,
        ["GET /api/v1/recoveries"] = s_all,
        ["GET /api/v1/recoveries/{run:long}"] = s_all,
        ["GET /api/v1/recoveries/{run:long}/plan"] = s_all,
        ["POST /api/v1/recoveries/plan"] = s_operators,
        ["POST /api/v1/recoveries"] = s_operators,
        ["POST /api/v1/recoveries/{run:long}/pause"] = s_operators,
        ["POST /api/v1/recoveries/{run:long}/resume"] = s_operators,
        ["POST /api/v1/recoveries/{run:long}/cancel"] = s_operators,
        ["POST /api/v1/recoveries/{run:long}/ask-again"] = s_operators,
        ["POST /api/v1/recoveries/{run:long}/decision"] = s_approvers,
        ["GET /api/v1/approvals"] = s_all,
        ["GET /api/v1/approvals/reviews-due"] = s_all,
        ["GET /api/v1/approvals/{gate:long}"] = s_all,
        ["GET /api/v1/approvals/{gate:long}/plan"] = s_all,
        // Whoever may answer is asked for with the password, by the role of that moment (ApiTests).
        ["POST /api/v1/approvals/{gate:long}/answer"] = s_all,
        ["POST /api/v1/approvals/{gate:long}/review"] = s_all,
        ["GET /api/v1/drills"] = s_all,
        ["GET /api/v1/drills/due"] = s_all,
        ["GET /api/v1/drills/{run:long}"] = s_all,
        ["POST /api/v1/drills"] = s_operators,
        ["GET /api/v1/reports"] = s_all,
        ["GET /api/v1/reports/{run:long}"] = s_all,
        ["GET /api/v1/reports/signing-key"] = s_all,
        ["GET /api/v1/recovery-sets"] = s_all,
        ["GET /api/v1/recovery-sets/{run:long}"] = s_all,
        ["POST /api/v1/workspaces/{name}/recovery-sets"] = s_operators,
        ["POST /api/v1/recovery-sets/{run:long}/plan"] = s_operators,
        ["GET /api/v1/notifications"] = s_all,
        ["GET /api/v1/notifications/deliveries"] = s_admins,
        ["GET /api/v1/notifications/channels"] = s_admins,
    };

    [Fact]
    public async Task Every_address_for_programs_refuses_whoever_is_not_signed_in_or_has_too_low_a_role()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var console = await WholeConsole.StartAsync(ct);
        var found = console.Endpoints.SelectMany(NamesOf).Where(name => name.Contains(" /api", StringComparison.Ordinal) || name.Contains(" /hubs", StringComparison.Ordinal)).ToList();
        Assert.Equal(s_roles.Keys.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));

        foreach (var role in Enum.GetValues<ConsoleRole>().Cast<ConsoleRole?>().Prepend(null))
        {
            using var browser = await console.BrowseAsync(role, ct);
            foreach (var (name, roles) in s_roles)
            {
                using var request = RequestOf(name);
                using var answer = await browser.SendAsync(request, ct);
                var said = $"{role}: {name}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(ct)}";
                if (role is { } one && roles.Contains(one))
                {
                    Assert.False(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.InternalServerError, said);
                }
                else
                {
                    Assert.True(answer.StatusCode == (role is null ? HttpStatusCode.Unauthorized : HttpStatusCode.Forbidden), said);
                    Assert.Equal(role is null ? "not-signed-in" : "role-missing", (await answer.Content.ReadFromJsonAsync<ApiProblem>(ct))!.Code);
                }
            }
        }
    }

    [Fact]
    public void Every_address_is_described()
    {
        var page = File.ReadAllText(Path.Combine(Repository(), "docs", "api.md"));
        Assert.All(s_roles.Keys.Where(name => name.Contains(" /api/v1", StringComparison.Ordinal)), name =>
            Assert.Matches($@"{Regex.Escape(name.Split("/api/v1")[1].Replace(":long", "", StringComparison.Ordinal))}[`?]", page));
    }

    private static string Repository([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", ".."));

    private static IEnumerable<string> NamesOf(RouteEndpoint endpoint)
    {
        var pattern = $"/{endpoint.RoutePattern.RawText!.TrimStart('/')}";
        var methods = endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [];
        return methods.Count == 0 ? [$"* {pattern}"] : methods.Where(method => method != HttpMethod.Options.Method).Select(method => $"{method} {pattern}");
    }

    /// <summary>A request that comes to the address, with an empty document where it takes one.</summary>
    private static HttpRequestMessage RequestOf(string name)
    {
        var (method, pattern) = (name.Split(' ')[0], name.Split(' ')[1]);
        var request = new HttpRequestMessage(new HttpMethod(method == "*" ? HttpMethod.Get.Method : method), Value().Replace(pattern, "1"));
        request.Content = method == HttpMethod.Post.Method ? JsonContent.Create(new { }) : null;
        return request;
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Value();
}
