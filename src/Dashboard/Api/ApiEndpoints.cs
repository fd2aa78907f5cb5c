using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Hubs;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Authorization;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>The API for programs: version 1 at <c>/api/v1</c>, its description at <c>/api/openapi/v1.json</c> (docs/api.md).</summary>
internal static class ApiEndpoints
{
    public const string Root = "/api";

    private const int MostRows = 1000;

    public static AuthorizationPolicy CanView { get; } = TokenAuthentication.Policy(ConsoleRole.Viewer, ConsoleRole.Operator, ConsoleRole.Approver, ConsoleRole.Admin);

    public static AuthorizationPolicy CanOperate { get; } = TokenAuthentication.Policy(ConsoleRole.Operator, ConsoleRole.Admin);

    public static AuthorizationPolicy CanApprove { get; } = TokenAuthentication.Policy(ConsoleRole.Approver, ConsoleRole.Admin);

    public static AuthorizationPolicy CanAdminister { get; } = TokenAuthentication.Policy(ConsoleRole.Admin);

    public static void AddApi(this IServiceCollection services)
    {
        services.AddSingleton<ApiTokens>();
        services.AddSingleton<RunStepReading>();
        services.AddSingleton<PlanGiving>();
        services.AddSingleton<RestoreGiving>();
        services.AddSingleton<TokenRefusals>();
        services.AddSingleton<LiveTicks>();
        services.AddOpenApi("v1", options => options.ShouldInclude = description => description.RelativePath?.StartsWith("api/v1/", StringComparison.Ordinal) == true);
    }

    public static void MapApi(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapOpenApi(Root + "/openapi/{documentName}.json").RequireAuthorization(CanView);
        var api = endpoints.MapGroup(Root + "/v1").RequireAuthorization(CanView).AddEndpointFilter(ApiProblems.CatchAsync);
        SourceEndpoints.Map(api);
        RunEndpoints.Map(api);
        RestoreEndpoints.Map(api);
        IncidentEndpoints.Map(api);
        MaintenanceEndpoints.Map(api);
        PlanEndpoints.Map(api);
        RecoveryEndpoints.Map(api);
        RecoveryPlanEndpoints.Map(api);
        ApprovalEndpoints.Map(api);
        DrillEndpoints.Map(api);
        ReportEndpoints.Map(api);
        RecoverySetEndpoints.Map(api);
        NotificationEndpoints.Map(api);
        // Else an address that nobody serves would lead to the sign-in page.
        endpoints.Map(Root + "/{**rest}", () => ApiProblems.Of(StatusCodes.Status404NotFound, "address-unknown", "there is nothing at this address", "See /api/openapi/v1.json."))
            .RequireAuthorization(CanView).ExcludeFromDescription();
    }

    /// <summary>The person or the token that asks, as the audit names it.</summary>
    internal static string ActorOf(HttpContext context) => context.User.Identity!.Name!;

    /// <summary>A run was asked for: its address is where it can be followed.</summary>
    internal static IResult Accepted(Run run) => Results.Accepted(FormattableString.Invariant($"{Root}/v1/runs/{run.Id.Value}"), ApiRun.Of(run));

    /// <summary>A state that a list is filtered by; null where it is not.</summary>
    /// <param name="text">As the request has it.</param>
    /// <param name="what">Whose state, for the refusal.</param>
    internal static T? StateOf<T>(string? text, string what)
        where T : struct, Enum
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var states = Enum.GetValues<T>();
        return states.Any(state => RecoveryNames.Of(state) == text)
            ? RecoveryNames.Parse<T>(text)
            : throw new Engine.EngineException("state-unknown", Engine.ErrorKind.Input, $"'{text}' is no state of {what}", $"One of {string.Join(", ", states.Select(RecoveryNames.Of))}.");
    }

    /// <summary>A list's length as it was asked for, within bounds.</summary>
    internal static int Limit(int? asked) => asked switch
    {
        null => 100,
        >= 1 and <= MostRows => asked.Value,
        _ => throw new Engine.EngineException("limit-invalid", Engine.ErrorKind.Input, $"the limit {asked} is not a number from 1 to {MostRows}", "Ask for fewer at a time."),
    };
}
