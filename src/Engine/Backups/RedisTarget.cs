using System.Globalization;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// A Redis server that runs: <c>redis://user@host:port?passwordFile=F&amp;tls=true&amp;caFile=F</c>. It must be empty, unless
/// single keys are named: <c>&amp;keys=session:*&amp;db=0</c>, which refuses what is there with other content unless <c>&amp;replace=true</c>.
/// </summary>
/// <param name="Keys">A key, or a pattern as <c>KEYS</c> takes it; null for everything.</param>
/// <param name="Database">With keys: only that database; null for all.</param>
/// <param name="Replace">With keys: overwrite what the plan shows as different.</param>
public sealed record RedisTarget(
    string Host, int Port, string? Username = null, string? PasswordFile = null, bool Tls = false, string? CaFile = null, string? Keys = null, int? Database = null, bool Replace = false) : RestoreTarget
{
    private const int DefaultPort = 6379;
    private static readonly string[] s_known = ["passwordFile", "tls", "caFile", "keys", "db", "replace"];

    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string>();
        Add("caFile", CaFile);
        Add("db", Database?.ToString(CultureInfo.InvariantCulture));
        Add("keys", Keys);
        Add("passwordFile", PasswordFile);
        Add("replace", Replace ? "true" : null);
        Add("tls", Tls ? "true" : null);
        var host = Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        return string.Create(CultureInfo.InvariantCulture,
            $"redis://{(Username is null ? "" : Uri.EscapeDataString(Username) + "@")}{host}:{Port}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}");

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                options.Add($"{name}={Escaped(value)}");
            }
        }
    }

    /// <inheritdoc/>
    internal override string? PasswordFileToSend => PasswordFile;

    /// <inheritdoc/>
    internal override PasswordReceiver? PasswordGoesTo => PasswordReceiver.OfRedis(Host, Port, Tls, CaFile);

    internal RedisEndpoint Endpoint => new(Host, Port) { Username = Username, PasswordFile = PasswordFile, Tls = Tls, CaFile = CaFile };

    /// <summary>Reads one; mistakes are collected.</summary>
    internal static RedisTarget? Parse(string text, string baseFolder, List<string> faults)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
        {
            faults.Add("it is not a URL");
            return null;
        }

        RefusePassword(Uri.UnescapeDataString(uri.UserInfo));
        var options = ReadOptions(uri.Query, s_known, faults);
        if (uri.Host.Length == 0)
        {
            faults.Add("the host is missing");
        }

        if (uri.AbsolutePath is not ("" or "/"))
        {
            faults.Add($"{uri.AbsolutePath} follows the port; a database is named with db=");
        }

        int? database = null;
        if (options.GetValueOrDefault("db") is { } number)
        {
            if (int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed))
            {
                database = parsed;
            }
            else
            {
                faults.Add($"db {number} is no database's number");
            }
        }

        var keys = options.GetValueOrDefault("keys");
        var replace = Flag(options, "replace", faults);
        if (keys is null && (database is not null || replace))
        {
            faults.Add("db and replace go with keys; without keys everything is restored, into an empty server");
        }

        var tls = Flag(options, "tls", faults);
        if (options.ContainsKey("caFile") && !tls)
        {
            faults.Add("caFile goes with tls=true");
        }

        return new RedisTarget(
            uri.Host.Trim('[', ']'), uri.Port > 0 ? uri.Port : DefaultPort, uri.UserInfo.Length > 0 ? Uri.UnescapeDataString(uri.UserInfo) : null,
            options.GetValueOrDefault("passwordFile") is { } file ? Path.GetFullPath(file, baseFolder) : null, tls,
            options.GetValueOrDefault("caFile") is { } authority ? Path.GetFullPath(authority, baseFolder) : null, keys, database, replace);
    }
}

/// <summary>
/// The data directory of a Redis server that is stopped: <c>redisdata:/path</c>. What is there is kept aside in the directory
/// itself. The snapshot is put there both as <c>dump.rdb</c> and as the base of an append-only log, so that the server finds
/// it whichever of the two its configuration reads.
/// </summary>
/// <param name="Path">Absolute: the server's <c>dir</c>.</param>
/// <param name="DumpName">The server's <c>dbfilename</c>.</param>
/// <param name="AppendDirectory">The server's <c>appenddirname</c>.</param>
/// <param name="AppendName">The server's <c>appendfilename</c>.</param>
public sealed record RedisDirectoryTarget(
    string Path, string DumpName = RedisDirectoryTarget.DefaultDump, string AppendDirectory = RedisDirectoryTarget.DefaultAppendDirectory, string AppendName = RedisDirectoryTarget.DefaultAppend) : RestoreTarget
{
    internal const string DefaultDump = "dump.rdb", DefaultAppendDirectory = "appendonlydir", DefaultAppend = "appendonly.aof";
    private static readonly string[] s_known = ["dump", "appendDir", "append", "exchange"];

    /// <summary>
    /// True: the plan is made while the server may still run, and the files that it will have written until it is stopped are moved aside
    /// whatever they are. Else those are moved that the plan saw, and no others.
    /// </summary>
    public bool Exchange { get; init; }

    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string>();
        Add("append", AppendName, DefaultAppend);
        Add("appendDir", AppendDirectory, DefaultAppendDirectory);
        Add("dump", DumpName, DefaultDump);
        if (Exchange)
        {
            options.Add("exchange=true");
        }

        return $"redisdata:{Escaped(Path)}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}";

        void Add(string name, string value, string usual)
        {
            if (value != usual)
            {
                options.Add($"{name}={Escaped(value)}");
            }
        }
    }

    /// <summary>Reads one; mistakes are collected.</summary>
    internal static RedisDirectoryTarget Parse(string text, string baseFolder, List<string> faults)
    {
        var parts = text["redisdata:".Length..].Split('?', 2);
        var path = Uri.UnescapeDataString(parts[0]);
        if (path.Length == 0)
        {
            faults.Add("a path is missing after redisdata:");
        }

        var options = ReadOptions(parts.Length == 2 ? parts[1] : "", s_known, faults);
        return new RedisDirectoryTarget(
            System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path.Length > 0 ? path : ".", baseFolder)),
            Name("dump", DefaultDump), Name("appendDir", DefaultAppendDirectory), Name("append", DefaultAppend)) { Exchange = Flag(options, "exchange", faults) };

        string Name(string option, string usual)
        {
            var name = options.GetValueOrDefault(option) ?? usual;
            if (name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal))
            {
                faults.Add($"{option} {name} is no name of a file in the directory");
            }

            return name;
        }
    }
}
