using System.Net.Sockets;
using System.Reflection;
using Renci.SshNet;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>
/// Bounds the sending on a session's socket. The library bounds how long it waits for an answer, not how long a peer that
/// takes nothing may keep a block from being sent: such an upload would never end, and neither would closing its session,
/// which sends a goodbye. The library shows its socket nowhere, so it is taken from where it keeps it.
/// </summary>
internal static class SftpSockets
{
    private static readonly PropertyInfo? s_session = typeof(BaseClient).GetProperty("Session", BindingFlags.Instance | BindingFlags.NonPublic);
    private static readonly FieldInfo? s_socket = s_session?.PropertyType.Assembly.GetType("Renci.SshNet.Session")?.GetField("_socket", BindingFlags.Instance | BindingFlags.NonPublic);

    /// <summary>Gives each block that is sent this much time.</summary>
    /// <returns>False where the library keeps its socket elsewhere: then only the operating system ends a stalled upload.</returns>
    public static bool TryBoundSending(SftpClient client, TimeSpan timeout)
    {
        if (s_session?.GetValue(client) is not { } session || s_socket?.GetValue(session) is not Socket socket)
        {
            return false;
        }

        socket.SendTimeout = (int)timeout.TotalMilliseconds;
        return true;
    }
}
