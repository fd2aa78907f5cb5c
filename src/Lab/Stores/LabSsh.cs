using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Stores;

/// <summary>How a lab's remote site behaves.</summary>
public sealed record LabSshOptions
{
    /// <summary>Tells several in one lab apart.</summary>
    public string Name { get; init; } = "ssh";

    /// <summary>True for a server that lets nobody change anything.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>True for a server that also takes a second key, whose sessions may write and read and not delete.</summary>
    public bool HasWriter { get; init; }

    /// <summary>
    /// True for a server that takes a password instead of a key. Its user exists in the server's own mount namespace only, which
    /// takes root to make.
    /// </summary>
    public bool TakesPassword { get; init; }
}

/// <summary>A remote site: a real OpenSSH server on loopback with a host key and a user's key of its own. It offers SFTP and nothing else.</summary>
public sealed class LabSsh : IAsyncDisposable
{
    /// <summary>The host of every connection.</summary>
    public const string Host = "127.0.0.1";

    private const string PasswordUser = "labuser";
    private const string Nobody = "65534";
    private readonly LabFolder _folder;
    private readonly LabSshOptions _options;
    private readonly string _place;
    private LocalServer? _server;

    /// <summary>Describes a server; touches nothing.</summary>
    public LabSsh(LabFolder folder, LabSshOptions? options = null)
    {
        _folder = folder;
        _options = options ?? new LabSshOptions();
        _place = folder.Combine("ssh", _options.Name);
    }

    /// <summary>True where this machine has the programs that it needs.</summary>
    public static bool IsInstalled => File.Exists(Program) && File.Exists("/usr/bin/ssh-keygen");

    /// <summary>Its port; kept from start to start where it is still free.</summary>
    public int Port { get; private set; }

    /// <summary>Who logs in.</summary>
    public string User => _options.TakesPassword ? PasswordUser : ServerUser.Current.Name;

    /// <summary>The user's private key.</summary>
    public string IdentityFile => Path.Combine(_folder.Keys, "id_ed25519");

    /// <summary>The private key whose sessions may not delete, where the server takes one.</summary>
    public string WriterIdentityFile => Path.Combine(_folder.Keys, "id_ed25519_writer");

    /// <summary>Holds the user's password, where the server takes one.</summary>
    public string PasswordFile => Path.Combine(_folder.Keys, "ssh.pw");

    /// <summary>The host key's fingerprint as the store's URL wants it.</summary>
    public string Fingerprint
    {
        get
        {
            var key = Convert.FromBase64String(File.ReadAllText(HostKey + ".pub").Split(' ')[1]);
            return "SHA256:" + Convert.ToBase64String(SHA256.HashData(key)).TrimEnd('=');
        }
    }

    /// <summary>The host key's line for a <c>known_hosts</c> file.</summary>
    public string KnownHostsLine => string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port} {File.ReadAllText(HostKey + ".pub").Trim()}");

    private static string Program => "/usr/sbin/sshd";

    private string HostKey => Path.Combine(_place, "host_ed25519");

    /// <summary>The URL of a store in a directory, with the key or password and the host key's fingerprint.</summary>
    public string Url(string path) => string.Create(
        CultureInfo.InvariantCulture,
        $"sftp://{User}@{Host}:{Port}{path}?{(_options.TakesPassword ? $"passwordFile={PasswordFile}" : $"identity={IdentityFile}")}&hostKey={Fingerprint}");

    /// <summary>Starts it; makes its keys first where they are missing.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>, <c>server-start-failed</c>.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _folder.Create();
        LocalFolder.CreatePassage(_folder.Combine("ssh"));
        LocalFolder.CreatePassage(_place);
        await EnsureKeyAsync(HostKey, cancellationToken).ConfigureAwait(false);
        await EnsureKeyAsync(IdentityFile, cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(_place, "authorized_keys"), await AuthorizedKeysAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        if (ServerUser.IsRoot)
        {
            // sshd changes its root into this empty folder before it reads what strangers send; the package's service makes it at boot.
            Directory.CreateDirectory("/run/sshd");
        }

        var portFile = Path.Combine(_place, "port");
        Port = File.Exists(portFile) ? int.Parse(await File.ReadAllTextAsync(portFile, cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) : FreePort.Choose();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await LaunchAsync(cancellationToken).ConfigureAwait(false);
                await File.WriteAllTextAsync(portFile, Port.ToString(CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (EngineException fault) when (fault.Code == "port-in-use" && attempt < 5)
            {
                Port = FreePort.Choose();
            }
        }
    }

    /// <summary>Gives the server another host key, as a stranger's server in its place would have; takes effect at the next connection.</summary>
    public async Task ChangeHostKeyAsync(CancellationToken cancellationToken)
    {
        await StopAsync(cancellationToken).ConfigureAwait(false);
        File.Delete(HostKey);
        File.Delete(HostKey + ".pub");
        await StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stops it; sessions that are open end with their connections.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is not null)
        {
            await _server.StopAsync(cancellationToken).ConfigureAwait(false);
            _server = null;
        }
    }

    /// <summary>Ends it and the sessions that are open, as the site's power cut would.</summary>
    public async Task KillWithSessionsAsync(CancellationToken cancellationToken)
    {
        if (_server is not null)
        {
            await _server.KillTreeAsync(cancellationToken).ConfigureAwait(false);
            _server = null;
        }
    }

    /// <summary>Stops it where it runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    internal static async Task<bool> AnswersAsync(int port, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(Host, port, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task LaunchAsync(CancellationToken cancellationToken)
    {
        var file = Path.Combine(_place, "sshd_config");
        await File.WriteAllTextAsync(file, Configuration(), cancellationToken).ConfigureAwait(false);
        var command = new ToolCommand(Program, ["-D", "-e", "-f", file]) { Purpose = "the lab's SSH server" };
        if (_options.TakesPassword)
        {
            command = await BehindOwnUsersAsync(command, cancellationToken).ConfigureAwait(false);
        }

        _server = new LocalServer(
            new LocalServerOptions { Name = "lab-" + _options.Name, Purpose = "the lab's SSH server", Command = command, LogFile = Path.Combine(_place, "log") }, _folder.Registry);
        await _server.StartAsync(token => AnswersAsync(Port, token), cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> AuthorizedKeysAsync(CancellationToken cancellationToken)
    {
        var keys = await File.ReadAllTextAsync(IdentityFile + ".pub", cancellationToken).ConfigureAwait(false);
        if (!_options.HasWriter)
        {
            return keys;
        }

        await EnsureKeyAsync(WriterIdentityFile, cancellationToken).ConfigureAwait(false);
        var writer = await File.ReadAllTextAsync(WriterIdentityFile + ".pub", cancellationToken).ConfigureAwait(false);
        return $"command=\"internal-sftp\" {keys.Trim()}\ncommand=\"internal-sftp -P remove,rmdir\" {writer.Trim()}\n";
    }

    private string Configuration() => string.Create(CultureInfo.InvariantCulture, $"""
        Port {Port}
        ListenAddress {Host}
        HostKey {HostKey}
        PidFile none
        AuthorizedKeysFile {Path.Combine(_place, "authorized_keys")}
        StrictModes no
        UsePAM no
        PermitRootLogin yes
        PubkeyAuthentication {(_options.TakesPassword ? "no" : "yes")}
        PasswordAuthentication {(_options.TakesPassword ? "yes" : "no")}
        KbdInteractiveAuthentication no
        AllowTcpForwarding no
        X11Forwarding no
        MaxStartups 200
        MaxAuthTries 20
        LogLevel INFO
        Subsystem sftp internal-sftp{(_options.IsReadOnly ? " -R" : "")}
        {(_options.HasWriter ? "# each key has a command of its own" : $"ForceCommand internal-sftp{(_options.IsReadOnly ? " -R" : "")}")}

        """);

    /// <summary>The command in a mount namespace whose user list has one user more, with a password. The machine's own list stays as it is.</summary>
    private async Task<ToolCommand> BehindOwnUsersAsync(ToolCommand command, CancellationToken cancellationToken)
    {
        var password = _folder.Secret("ssh.pw");
        var hasher = ToolProcess.Start(new ToolCommand("perl", ["-e", "$_ = <STDIN>; print crypt($_, '$6$lab$')"]) { ReadsInput = true }, _folder.Registry);
        string hash;
        await using (hasher.ConfigureAwait(false))
        {
            await hasher.StandardInput.WriteAsync(System.Text.Encoding.ASCII.GetBytes(password), cancellationToken).ConfigureAwait(false);
            hasher.StandardInput.Close();
            using var reader = new StreamReader(hasher.StandardOutput);
            hash = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            await hasher.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        var users = Path.Combine(_place, "passwd");
        var secrets = Path.Combine(_place, "shadow");
        await File.WriteAllTextAsync(users, await File.ReadAllTextAsync("/etc/passwd", cancellationToken).ConfigureAwait(false) + $"{PasswordUser}:x:{Nobody}:{Nobody}::/:/bin/sh\n", cancellationToken).ConfigureAwait(false);
        LocalFolder.WritePrivateFile(secrets, System.Text.Encoding.ASCII.GetBytes($"root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n{PasswordUser}:{hash}:19000:0:99999:7:::\n"));
        string[] arguments =
        [
            "--mount", "/bin/sh", "-c", "mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/shadow && shift 2 && exec \"$@\"", "sh", users, secrets,
            command.Executable, .. command.Arguments,
        ];
        return command with { Executable = "/usr/bin/unshare", Arguments = arguments };
    }

    private async Task EnsureKeyAsync(string path, CancellationToken cancellationToken)
    {
        if (File.Exists(path) && File.Exists(path + ".pub"))
        {
            return;
        }

        var made = await ToolProcess.RunAsync(
            new ToolCommand("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path]), _folder.Registry, cancellationToken).ConfigureAwait(false);
        if (made.ExitCode != 0)
        {
            throw new EngineException("ssh-keygen-failed", ErrorKind.Unavailable, $"ssh-keygen cannot make {path}: {made.ErrorTail}", "look at the folder's rights");
        }
    }
}
