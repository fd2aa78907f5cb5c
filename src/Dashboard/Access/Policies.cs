using Microsoft.AspNetCore.Authorization;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What pages and endpoints ask for. Without any of these an endpoint still asks for a signed-in user.</summary>
public static class Policies
{
    /// <summary>Every role.</summary>
    public const string CanView = nameof(CanView);

    /// <summary>Operator and Admin: start, cancel, restore.</summary>
    public const string CanOperate = nameof(CanOperate);

    /// <summary>Approver and Admin.</summary>
    public const string CanApprove = nameof(CanApprove);

    /// <summary>Admin only.</summary>
    public const string CanAdminister = nameof(CanAdminister);

    internal static void Add(AuthorizationOptions options)
    {
        options.FallbackPolicy = new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build();
        options.AddPolicy(CanView, Require(ConsoleRole.Viewer, ConsoleRole.Operator, ConsoleRole.Approver, ConsoleRole.Admin));
        options.AddPolicy(CanOperate, Require(ConsoleRole.Operator, ConsoleRole.Admin));
        options.AddPolicy(CanApprove, Require(ConsoleRole.Approver, ConsoleRole.Admin));
        options.AddPolicy(CanAdminister, Require(ConsoleRole.Admin));
    }

    private static Action<AuthorizationPolicyBuilder> Require(params ConsoleRole[] roles)
        => policy => policy.RequireAuthenticatedUser().RequireRole(roles.Select(role => role.ToString()));
}
