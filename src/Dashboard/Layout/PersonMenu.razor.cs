using System.Globalization;
using System.Security.Claims;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Who is signed in, as what, and the way out (a POST outside of the circuit, since it clears a cookie).</summary>
public partial class PersonMenu
{
    internal static string Initials(ClaimsPrincipal user)
    {
        var parts = (user.Identity?.Name ?? string.Empty)
            .Split(['.', ' ', '-', '_', '@'], StringSplitOptions.RemoveEmptyEntries);
        var letters = parts.Length > 1 ? $"{parts[0][0]}{parts[1][0]}" : string.Concat(parts.Take(1).SelectMany(part => part.Take(2)));
        return letters.ToUpper(CultureInfo.CurrentCulture);
    }

    internal static string RoleWord(ClaimsPrincipal user) => user.FindFirstValue(ClaimTypes.Role) switch
    {
        nameof(ConsoleRole.Viewer) => Texts.RoleViewer,
        nameof(ConsoleRole.Operator) => Texts.RoleOperator,
        nameof(ConsoleRole.Approver) => Texts.RoleApprover,
        nameof(ConsoleRole.Admin) => Texts.RoleAdmin,
        _ => Texts.RoleNone,
    };
}
