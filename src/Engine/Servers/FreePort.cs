using System.Net;
using System.Net.Sockets;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Chooses a loopback port that nobody listens on.</summary>
public static class FreePort
{
    /// <summary>
    /// A port that was free a moment ago. Somebody else may take it before it is used: who listens on it tries again with
    /// another.
    /// </summary>
    public static int Choose()
    {
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
}
