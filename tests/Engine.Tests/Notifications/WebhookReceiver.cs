using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>A request as it came.</summary>
internal sealed record ReceivedPost(string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Id => Headers["X-DrConsole-Id"];
}

/// <summary>A real HTTP server on loopback that a test tells what to answer.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly Channel<ReceivedPost> _posts = System.Threading.Channels.Channel.CreateUnbounded<ReceivedPost>();
    private readonly WebApplication _app;

    private WebhookReceiver(WebApplication app) => _app = app;

    /// <summary>Answers what comes, after it was noted; 204 where nobody says otherwise.</summary>
    public Func<HttpContext, ReceivedPost, Task> Answer { get; set; } = (context, _) =>
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    };

    public int Port { get; private set; }

    public string Url => $"http://127.0.0.1:{Port}/hook";

    public static async Task<WebhookReceiver> StartAsync(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen => listen.Protocols = HttpProtocols.Http1));
        var app = builder.Build();
        var receiver = new WebhookReceiver(app);
        app.Run(receiver.TakeAsync);
        await app.StartAsync();
        receiver.Port = new Uri(app.Urls.First()).Port;
        return receiver;
    }

    /// <summary>The next that comes.</summary>
    public async Task<ReceivedPost> NextAsync(CancellationToken ct) => await _posts.Reader.ReadAsync(ct);

    /// <summary>What came and nobody has asked for.</summary>
    public IReadOnlyList<ReceivedPost> Left()
    {
        var left = new List<ReceivedPost>();
        while (_posts.Reader.TryRead(out var post))
        {
            left.Add(post);
        }

        return left;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var post = new ReceivedPost(context.Request.Path, context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase), body.ToArray());
        _posts.Writer.TryWrite(post);
        await Answer(context, post);
    }
}
