using System.Text;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>
/// Hands one file of a volume's restore point out, over HTTP and by POST: a link that somebody sends downloads nothing in a
/// reader's name, and large files do not travel through a circuit.
/// </summary>
internal static class DownloadEndpoint
{
    /// <summary>Whatever the file says it is, a browser only ever saves it.</summary>
    private const string Bytes = "application/octet-stream";

    public static string PathOf(string point) => $"/restore-points/{point}/download";

    public static void MapDownloads(this IEndpointRouteBuilder endpoints) =>
        // The token is checked by hand, so that a stale form gets a sentence and not a bare 400.
        endpoints.MapPost("/restore-points/{id}/download", DownloadAsync).RequireAuthorization(Policies.CanOperate).DisableAntiforgery();

    /// <summary>A header that names the file and nothing else, whatever bytes its name has.</summary>
    public static string Disposition(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        var safe = new StringBuilder(name.Length);
        foreach (var letter in name)
        {
            safe.Append(char.IsControl(letter) || letter is '/' or '\\' or '"' or ':' or '*' or '?' or '<' or '>' or '|' or '\u202e' or '\u202d' or '\u2066' or '\u2067' ? '_' : letter);
        }

        var header = new ContentDispositionHeaderValue("attachment");
        header.SetHttpFileName(safe.Length == 0 ? "file" : safe.ToString());
        return header.ToString();
    }

    private static async Task<IResult> DownloadAsync(HttpContext context, string id, [FromForm] string? path, [FromForm] string? artifact, IAntiforgery antiforgery, VolumeBrowsing browsing)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return Results.Text(PageTexts.StaleForm, statusCode: StatusCodes.Status400BadRequest);
        }

        try
        {
            await browsing.DownloadAsync(id, artifact, path ?? "", context.User.Identity!.Name!, file =>
            {
                context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
                var headers = context.Response.Headers;
                headers.ContentDisposition = Disposition(file.Path);
                headers.ContentType = Bytes;
                headers.ContentLength = file.Size;
                headers.XContentTypeOptions = "nosniff";
                headers.CacheControl = "no-store";
                return Task.FromResult(context.Response.Body);
            }, context.RequestAborted);
            return Results.Empty;
        }
        catch (EngineException fault) when (!context.Response.HasStarted)
        {
            // The file's length and name are none of the sentence's, which would be cut or saved as the file.
            context.Response.ContentLength = null;
            context.Response.Headers.Remove(HeaderNames.ContentDisposition);
            return Results.Text(fault.ToText(), statusCode: fault.Kind == ErrorKind.NotFound ? StatusCodes.Status404NotFound : StatusCodes.Status409Conflict);
        }
        catch (EngineException)
        {
            // Half of a file must not look like one: the connection is cut, and the browser says that the download failed.
            context.Abort();
            return Results.Empty;
        }
    }
}
