using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Tests.Servers;

public sealed class FreePortTests
{
    [Fact]
    public async Task Chosen_ports_can_be_listened_on_and_are_never_given_to_an_outgoing_connection()
    {
        var range = await File.ReadAllTextAsync("/proc/sys/net/ipv4/ip_local_port_range", TestContext.Current.CancellationToken);
        var firstEphemeral = int.Parse(range.Split('\t', ' ')[0], CultureInfo.InvariantCulture);
        foreach (var _ in Enumerable.Range(0, 20))
        {
            var port = FreePort.Choose();
            Assert.True(firstEphemeral < 11_000 || port < firstEphemeral, $"{port} is among the kernel's own");
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            Assert.True(FreePort.IsTaken(port));
        }
    }
}
