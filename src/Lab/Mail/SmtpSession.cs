using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Hexabase.DrConsole.Lab.Mail;

/// <summary>One connection's conversation.</summary>
internal sealed class SmtpSession(LabMailOptions options, Action<ReceivedMail> keep, Func<Stream, X509Certificate2, Task<Stream>> upgrade)
{
    private const int LongestLine = 4096;

    private readonly List<string> _to = [];
    private Stream _stream = Stream.Null;
    private bool _isEncrypted;
    private string? _from;
    private string? _user;

    public async Task RunAsync(Stream stream, bool isEncrypted, CancellationToken ct)
    {
        (_stream, _isEncrypted) = (stream, isEncrypted);
        await SayAsync("220 lab ESMTP", ct).ConfigureAwait(false);
        while (await ReadLineAsync(ct).ConfigureAwait(false) is { } line)
        {
            var verb = line.Split(' ', 2)[0].ToUpperInvariant();
            if (verb == "QUIT")
            {
                await SayAsync("221 bye", ct).ConfigureAwait(false);
                return;
            }

            if (!await AnswerAsync(verb, line, ct).ConfigureAwait(false))
            {
                return;
            }
        }
    }

    /// <summary>False where the connection is broken off.</summary>
    private async Task<bool> AnswerAsync(string verb, string line, CancellationToken ct)
    {
        switch (verb)
        {
            case "EHLO" or "HELO":
                Reset();
                await SayAsync(Greeting(), ct).ConfigureAwait(false);
                return true;
            case "STARTTLS" when options.Certificate is { } certificate && !_isEncrypted:
                await SayAsync("220 go ahead", ct).ConfigureAwait(false);
                (_stream, _isEncrypted) = (await upgrade(_stream, certificate).ConfigureAwait(false), true);
                return true;
            case "AUTH":
                await SayAsync(await SignInAsync(line, ct).ConfigureAwait(false), ct).ConfigureAwait(false);
                return true;
            case "MAIL":
                await SayAsync(TakeSender(line), ct).ConfigureAwait(false);
                return true;
            case "RCPT":
                await SayAsync(TakeRecipient(line), ct).ConfigureAwait(false);
                return true;
            case "DATA":
                return await TakeDataAsync(ct).ConfigureAwait(false);
            case "RSET":
                Reset();
                await SayAsync("250 ok", ct).ConfigureAwait(false);
                return true;
            case "NOOP":
                await SayAsync("250 ok", ct).ConfigureAwait(false);
                return true;
            default:
                await SayAsync("502 not known here", ct).ConfigureAwait(false);
                return true;
        }
    }

    private string Greeting()
    {
        List<string> offers = ["lab", "8BITMIME", "SIZE 1048576"];
        if (options.Certificate is not null && !_isEncrypted)
        {
            offers.Add("STARTTLS");
        }

        if (options.Login is not null && (_isEncrypted || options.Certificate is null))
        {
            offers.Add("AUTH PLAIN");
        }

        return string.Join("\r\n", offers.Select((offer, at) => $"250{(at == offers.Count - 1 ? ' ' : '-')}{offer}"));
    }

    private async Task<string> SignInAsync(string line, CancellationToken ct)
    {
        var words = line.Split(' ');
        if (words.Length < 2 || !words[1].Equals("PLAIN", StringComparison.OrdinalIgnoreCase))
        {
            return "504 only PLAIN";
        }

        var encoded = words.Length > 2 ? words[2] : null;
        if (encoded is null)
        {
            await SayAsync("334 ", ct).ConfigureAwait(false);
            encoded = await ReadLineAsync(ct).ConfigureAwait(false) ?? "";
        }

        var parts = Encoding.UTF8.GetString(Convert.FromBase64String(encoded)).Split('\0');
        if (options.Login is { } login && parts is [_, var user, var password] && (user, password) == login)
        {
            _user = user;
            return "235 welcome";
        }

        return "535 5.7.8 wrong user or password";
    }

    private string TakeSender(string line)
    {
        if (options.Login is not null && _user is null)
        {
            return "530 5.7.0 sign in first";
        }

        Reset();
        _from = Address(line);
        return "250 ok";
    }

    private string TakeRecipient(string line)
    {
        if (_from is null)
        {
            return "503 say who sends first";
        }

        var address = Address(line);
        if (options.OnRecipient(address) is { } refusal)
        {
            return refusal;
        }

        _to.Add(address);
        return "250 ok";
    }

    private async Task<bool> TakeDataAsync(CancellationToken ct)
    {
        if (_to.Count == 0)
        {
            await SayAsync("503 nobody to send it to", ct).ConfigureAwait(false);
            return true;
        }

        await SayAsync("354 end with a dot", ct).ConfigureAwait(false);
        var text = new StringBuilder();
        while (await ReadLineAsync(ct).ConfigureAwait(false) is { } line && line != ".")
        {
            text.Append(line.StartsWith('.') ? line[1..] : line).Append("\r\n");
        }

        var mail = new ReceivedMail(_from!, [.. _to], text.ToString(), _isEncrypted, _user);
        Reset();
        if (options.OnMail(mail) is { } answer)
        {
            if (answer.Length == 0)
            {
                keep(mail);
                return false;
            }

            await SayAsync(answer, ct).ConfigureAwait(false);
            return true;
        }

        keep(mail);
        await SayAsync("250 kept", ct).ConfigureAwait(false);
        return true;
    }

    private void Reset()
    {
        _from = null;
        _to.Clear();
    }

    private static string Address(string line)
    {
        var (open, close) = (line.IndexOf('<', StringComparison.Ordinal), line.IndexOf('>', StringComparison.Ordinal));
        return open >= 0 && close > open ? line[(open + 1)..close] : "";
    }

    private Task SayAsync(string text, CancellationToken ct) => _stream.WriteAsync(Encoding.ASCII.GetBytes(text + "\r\n"), ct).AsTask();

    /// <summary>A byte at a time, so that nothing of what follows a STARTTLS is read in the clear.</summary>
    private async Task<string?> ReadLineAsync(CancellationToken ct)
    {
        var line = new List<byte>();
        var one = new byte[1];
        while (await _stream.ReadAsync(one, ct).ConfigureAwait(false) == 1)
        {
            if (one[0] == '\n')
            {
                return Encoding.Latin1.GetString([.. line]).TrimEnd('\r');
            }

            line.Add(one[0]);
            if (line.Count > LongestLine)
            {
                return null;
            }
        }

        return null;
    }
}
