using Renci.SshNet;
using Renci.SshNet.Common;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>Reads the key or password by which a user logs in, anew for each connection, so that a changed file counts.</summary>
internal static class SftpLogin
{
    /// <returns>The ways to log in, best first, and what is to be disposed after the login.</returns>
    /// <exception cref="EngineException">A file is missing, or is not what it should be.</exception>
    public static (AuthenticationMethod[] Methods, List<IDisposable> Secrets) Read(SftpLocation location)
    {
        List<AuthenticationMethod> methods = [];
        List<IDisposable> secrets = [];
        if (location.Identity is { } identity)
        {
            var key = ReadKey(identity, location.PassphraseFile);
            secrets.Add(key);
            methods.Add(new PrivateKeyAuthenticationMethod(location.User, key));
        }

        if (location.PasswordFile is { } file)
        {
            var password = FirstLine(file, "passwordFile");
            methods.Add(new PasswordAuthenticationMethod(location.User, password));
            // Servers that leave the question to PAM ask it this way.
            var asked = new KeyboardInteractiveAuthenticationMethod(location.User);
            asked.AuthenticationPrompt += (_, questions) =>
            {
                foreach (var question in questions.Prompts)
                {
                    question.Response = password;
                }
            };
            methods.Add(asked);
        }

        secrets.AddRange(methods.OfType<IDisposable>());
        return ([.. methods], secrets);
    }

    private static PrivateKeyFile ReadKey(string path, string? passphraseFile)
    {
        var passphrase = passphraseFile is null ? null : FirstLine(passphraseFile, "passphraseFile");
        try
        {
            return passphrase is null ? new PrivateKeyFile(path) : new PrivateKeyFile(path, passphrase);
        }
        catch (SshPassPhraseNullOrEmptyException fault)
        {
            throw new EngineException(
                "sftp-key-locked", ErrorKind.Denied, $"the private key {path} has a passphrase of its own",
                "name a file that holds it with passphraseFile=FILE, or use a key without one", fault);
        }
        catch (Exception fault) when (fault is SshException or NotSupportedException or FormatException or System.Security.Cryptography.CryptographicException)
        {
            throw new EngineException(
                "sftp-key-unreadable", ErrorKind.Input, $"{path} is no private key that can be used{(passphrase is null ? "" : ", or its passphrase is another")}",
                "name the private key (not the .pub file) in OpenSSH's or PEM format", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, "identity", fault);
        }
    }

    private static string FirstLine(string path, string option)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault() is { Length: > 0 } line
                ? line
                : throw new EngineException("sftp-secret-empty", ErrorKind.Input, $"{path} is empty", $"{option} names a file whose first line is the secret");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, option, fault);
        }
    }

    private static EngineException Unreadable(string path, string option, Exception fault) => new(
        "sftp-file-unreadable", fault is UnauthorizedAccessException ? ErrorKind.Denied : ErrorKind.NotFound,
        $"{path} cannot be read{(fault is FileNotFoundException or DirectoryNotFoundException ? ": there is no such file" : "")}",
        $"{option} in the store's URL names it", fault);
}
