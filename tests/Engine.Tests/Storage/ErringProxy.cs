using System.Net;
using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>The way to a real S3 server that answers some requests itself with 500, as a gateway does whose disk does not give an object.</summary>
public sealed class ErringProxy : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
    private readonly int _server;
    private readonly Task _serving;

    public ErringProxy(int server)
    {
        _server = server;
        Port = FreePort.Choose();
        _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        _listener.Start();
        _serving = ServeAsync();
    }

    /// <summary>Where to connect instead of to the server.</summary>
    public int Port { get; }

    /// <summary>True where a request of that method and path is answered with 500.</summary>
    public Func<string, string, bool> Errs { get; set; } = (_, _) => false;

    /// <summary>Requests that were.</summary>
    public int Erred { get; private set; }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _serving;
        _listener.Close();
        _client.Dispose();
    }

    private async Task ServeAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                open.Add(AnswerAsync(await _listener.GetContextAsync()));
                open.RemoveAll(one => one.IsCompleted);
            }
        }
        catch (Exception end) when (end is HttpListenerException or ObjectDisposedException or InvalidOperationException)
        {
            // Disposed.
        }

        await Task.WhenAll(open);
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            if (Errs(context.Request.HttpMethod, context.Request.Url!.AbsolutePath))
            {
                Erred++;
                context.Response.StatusCode = 500;
                context.Response.ContentType = "application/xml";
                if (context.Request.HttpMethod != "HEAD")
                {
                    await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes("<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"));
                }
            }
            else
            {
                await ForwardAsync(context);
            }

            context.Response.Close();
        }
        catch (Exception broken) when (broken is HttpListenerException or HttpRequestException or IOException or ObjectDisposedException)
        {
            context.Response.Abort();
        }
    }

    private async Task ForwardAsync(HttpListenerContext context)
    {
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.HttpMethod), new Uri($"http://127.0.0.1:{_server}{context.Request.RawUrl}"));
        if (context.Request.HasEntityBody)
        {
            var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            request.Content = new ByteArrayContent(body.ToArray());
        }

        foreach (var name in context.Request.Headers.AllKeys.OfType<string>().Where(name => name is not ("Host" or "Connection" or "Expect" or "Content-Length" or "Transfer-Encoding")))
        {
            _ = request.Headers.TryAddWithoutValidation(name, context.Request.Headers[name]) || request.Content?.Headers.TryAddWithoutValidation(name, context.Request.Headers[name]) == true;
        }

        // The signature is over the address that the client called.
        request.Headers.Host = context.Request.Headers["Host"];
        using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(header => header.Key is not ("Transfer-Encoding" or "Connection" or "Keep-Alive" or "Content-Length" or "Date" or "Server")))
        {
            context.Response.Headers[name] = string.Join(", ", values);
        }

        if (answer.Content.Headers.ContentLength is { } length)
        {
            context.Response.ContentLength64 = length;
        }

        if (context.Request.HttpMethod != "HEAD")
        {
            await answer.Content.CopyToAsync(context.Response.OutputStream);
        }
    }
}
