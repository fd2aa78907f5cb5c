using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine;
using Microsoft.AspNetCore.Http;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>
/// The addresses of <c>--urls</c>, tried before anything is started: an address that is taken must not cost the start and
/// stop of a database, nor hand over runs that are cut off at once.
/// </summary>
internal static class ListenAddresses
{
    /// <summary>Returns where each address can be listened on.</summary>
    /// <param name="urls">Addresses, separated by semicolons.</param>
    /// <exception cref="EngineException"><c>address-invalid</c>, <c>address-in-use</c>.</exception>
    public static void RequireFree(string urls)
    {
        foreach (var url in urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var address = Parse(url);
            if (address.IsUnixPipe || address.Port == 0)
            {
                continue;
            }

            try
            {
                using var probe = new TcpListener(HostOf(address), address.Port);
                probe.Start();
            }
            catch (SocketException fault)
            {
                throw Taken(url, fault);
            }
        }
    }

    /// <summary>What to say where an address cannot be listened on.</summary>
    public static EngineException Taken(string urls, Exception fault) =>
        new("address-in-use", ErrorKind.Conflict, $"cannot listen on {urls}: {fault.Message}", "Give another address with --urls.", fault);

    private static BindingAddress Parse(string url)
    {
        try
        {
            var address = BindingAddress.Parse(url);
            if (address.Scheme is "http" or "https")
            {
                return address;
            }
        }
        catch (FormatException)
        {
            // Said below, with what would be right.
        }

        throw new EngineException("address-invalid", ErrorKind.Input, $"'{url}' is not an address to listen on",
            "Write --urls http://HOST:PORT, several separated by semicolons.");
    }

    private static IPAddress HostOf(BindingAddress address) =>
        address.Host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) ? ip
        : IPAddress.Any;
}
