using System.Security.Cryptography.X509Certificates;

namespace Hexabase.DrConsole.Lab.Mail;

/// <summary>How the lab's mail server behaves.</summary>
public sealed record LabMailOptions
{
    /// <summary>0 for a free one.</summary>
    public int Port { get; init; }

    /// <summary>Offers STARTTLS with it; null: speaks in the clear.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>True: TLS from the first byte instead of STARTTLS.</summary>
    public bool IsTlsFromTheFirstByte { get; init; }

    /// <summary>Takes mail from this user only, and only over TLS where there is a certificate.</summary>
    public (string User, string Password)? Login { get; init; }

    /// <summary>Writes each mail there as a file; null: keeps it in memory only.</summary>
    public string? Folder { get; init; }

    /// <summary>What to answer to a recipient instead of 250; null for 250.</summary>
    public Func<string, string?> OnRecipient { get; init; } = _ => null;

    /// <summary>What to answer to a mail instead of 250; null for 250. An empty text breaks the connection off without an answer.</summary>
    public Func<ReceivedMail, string?> OnMail { get; init; } = _ => null;
}

/// <summary>A mail as it came.</summary>
/// <param name="Text">Headers and body as they were sent.</param>
/// <param name="IsEncrypted">True where the connection was.</param>
/// <param name="User">Who was signed in, or null.</param>
public sealed record ReceivedMail(string From, IReadOnlyList<string> To, string Text, bool IsEncrypted, string? User)
{
    /// <summary>A header's value, unfolded; null where there is none.</summary>
    public string? Header(string name)
    {
        var head = Text.Split("\r\n\r\n", 2)[0].Replace("\r\n ", " ", StringComparison.Ordinal).Replace("\r\n\t", " ", StringComparison.Ordinal);
        return head.Split("\r\n").Where(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)).Select(line => line[(name.Length + 1)..].Trim()).FirstOrDefault();
    }
}
