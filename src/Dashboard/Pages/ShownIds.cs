using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Hexabase.DrConsole.Dashboard.Pages;

/// <summary>Addresses with an id as it is shown: who has R-12 from a command, a log or a message types it behind <c>/runs/</c>.</summary>
internal static class ShownIds
{
    public static void MapShownIds(this WebApplication app)
    {
        Map("/runs", "R");
        Map("/incidents", "I");
        Map("/approvals", "G");

        void Map(string pages, string letter) =>
            app.MapGet($"{pages}/{letter}-{{number:long}}", (long number) => Results.Redirect(FormattableString.Invariant($"{pages}/{number}")));
    }
}
