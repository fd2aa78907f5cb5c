using System.Net;
using System.Net.Sockets;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Answers that no API server gives.</summary>
public sealed class KubeAnswerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Answer_that_would_fill_the_memory_is_refused_before_it_is_read()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{\"items\":[");
        var kubeconfig = _folder.Write("kubeconfig", Encoding.UTF8.GetBytes("""
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
            users: [{name: u, user: {token: none}}]
            contexts: [{name: x, context: {cluster: c, user: u}}]
            current-context: x
            """.Replace("PORT", $"{((IPEndPoint)listener.LocalEndpoint).Port}", StringComparison.Ordinal)));
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(kubeconfig));

        var fault = await Assert.ThrowsAsync<EngineException>(() => api.GetAsync("/api/v1/secrets", Ct));

        Assert.Equal("api-unreachable", fault.Code);
        await serving;
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Answers once and waits for the other side to hang up.</summary>
    private static async Task ServeAsync(TcpListener listener, string answer)
    {
        using var client = await listener.AcceptTcpClientAsync(Ct);
        var stream = client.GetStream();
        var buffer = new byte[4096];
        Assert.True(await stream.ReadAsync(buffer, Ct) > 0);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), Ct);
        try
        {
            while (await stream.ReadAsync(buffer, Ct) > 0)
            {
            }
        }
        catch (IOException)
        {
            // It hung up with the answer unread.
        }
    }
}
