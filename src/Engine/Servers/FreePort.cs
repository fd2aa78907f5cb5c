using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Chooses a loopback port that nobody listens on.</summary>
public static class FreePort
{
    private const string EphemeralRange = "/proc/sys/net/ipv4/ip_local_port_range";
    private const int First = 10_000;
    private const int Attempts = 100;

    /// <summary>The first of the ports that the kernel gives to outgoing connections.</summary>
    private static readonly int s_firstEphemeral = ReadFirstEphemeral();

    /// <summary>
    /// A port that was free a moment ago, below those of outgoing connections where there is room: a server that is restarted
    /// on it does not find it in a client's hands. Somebody else may take it before it is used: who listens on it tries again
    /// with another.
    /// </summary>
    public static int Choose()
    {
        for (var attempt = 0; attempt < Attempts && s_firstEphemeral > First + Attempts; attempt++)
        {
            var port = RandomNumberGenerator.GetInt32(First, s_firstEphemeral);
            if (!IsTaken(port))
            {
                return port;
            }
        }

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>True where somebody listens on a port of this machine's loopback.</summary>
    public static bool IsTaken(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static int ReadFirstEphemeral()
    {
        try
        {
            return int.Parse(File.ReadAllText(EphemeralRange).Split('\t', ' ')[0], CultureInfo.InvariantCulture);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException)
        {
            // Not Linux, or a sandbox without it: any port is as good as another.
            return 0;
        }
    }
}
