using System.Net.Sockets;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>Opens a TCP connection and closes it: a listening port needs no more of the server than its kernel.</summary>
public sealed class TcpProbe(HealthSubject subject, string host, int port) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => "tcp";

    public ProbeKind Kind => ProbeKind.Reach;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        using var socket = host.StartsWith('/') ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (host.StartsWith('/'))
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{host}/.s.PGSQL.{port}")), cancellationToken);
            }
            else
            {
                await socket.ConnectAsync(host, port, cancellationToken);
            }

            return ProbeFinding.Answered;
        }
        catch (SocketException fault)
        {
            return FromSocket(fault);
        }
    }

    /// <summary>A closed port is an answer of its host; everything else is none.</summary>
    internal static ProbeFinding FromSocket(SocketException fault) => new(
        fault.SocketErrorCode == SocketError.ConnectionRefused ? ProbeAnswer.Refused : ProbeAnswer.NoAnswer, fault.Message, fault.SocketErrorCode.ToString());
}
