using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Hexabase.DrConsole.Lab.Mail;

/// <summary>A mail server on loopback that speaks SMTP (RFC 5321, STARTTLS, AUTH PLAIN) and keeps what it gets. It sends nothing on.</summary>
public sealed class LabMail : IAsyncDisposable
{
    private readonly LabMailOptions _options;
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentQueue<ReceivedMail> _received = new();
    private readonly ConcurrentDictionary<Task, bool> _sessions = new();
    private readonly Task _accepting;
    private TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Listens from now on.</summary>
    public LabMail(LabMailOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _listener = new TcpListener(IPAddress.Loopback, options.Port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public static string Host => "127.0.0.1";

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>What came so far, oldest first.</summary>
    public IReadOnlyList<ReceivedMail> Received => [.. _received];

    /// <summary>Waits until so many have come.</summary>
    public async Task<IReadOnlyList<ReceivedMail>> WaitForAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            var came = _came.Task;
            if (_received.Count >= count)
            {
                return Received;
            }

            await came.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync().ConfigureAwait(false);
        _listener.Stop();
        await _accepting.ConfigureAwait(false);
        await Task.WhenAll(_sessions.Keys).ConfigureAwait(false);
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_over.Token).ConfigureAwait(false);
                var session = ServeAsync(client);
                _sessions[session] = true;
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        await Task.Yield();
        using (client)
        {
            try
            {
                Stream stream = client.GetStream();
                if (_options is { Certificate: { } certificate, IsTlsFromTheFirstByte: true })
                {
                    stream = await UpgradeAsync(stream, certificate).ConfigureAwait(false);
                }

                await new SmtpSession(_options, Keep, UpgradeAsync).RunAsync(stream, stream is SslStream, _over.Token).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
            {
                // The client went away, does not trust the certificate, or the lab goes down.
            }
        }
    }

    private async Task<Stream> UpgradeAsync(Stream plain, System.Security.Cryptography.X509Certificates.X509Certificate2 certificate)
    {
        var secure = new SslStream(plain);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, _over.Token).ConfigureAwait(false);
        return secure;
    }

    private void Keep(ReceivedMail mail)
    {
        _received.Enqueue(mail);
        if (_options.Folder is { } folder)
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{_received.Count:0000}-{Guid.NewGuid():n}.eml")), mail.Text, Encoding.Latin1);
        }

        Interlocked.Exchange(ref _came, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }
}
