using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads the <c>Sources</c> of the configuration.</summary>
internal static partial class SourceConfiguration
{
    private static readonly string[] Sections = ["Postgres", "Redis", "Volume", "VCluster"];

    public static List<Source> Read(ConfigurationReader root, IReadOnlyDictionary<string, ProtectionClass> classes, List<string> warnings)
    {
        var sources = new List<Source>();
        foreach (var entry in root.Items("Sources"))
        {
            entry.AllowOnly(["Name", "Kind", "Class", "Workspace", "Recovery", .. Sections]);
            var name = entry.RequiredText("Name");
            var workspace = entry.Text("Workspace") ?? "default";
            foreach (var (key, value) in new[] { ("Name", name), ("Workspace", workspace) })
            {
                if (value.Length > 0 && !EstateConfiguration.NameShape().IsMatch(value))
                {
                    entry.Problem(key, $"'{value}' is not a name; use lower-case letters, digits, '.', '_' and '-'");
                }
            }

            var chosen = entry.Text("Class") ?? "standard";
            if (!classes.ContainsKey(chosen))
            {
                warnings.Add($"{name}: class '{chosen}' is unknown and treated as standard; known are {string.Join(", ", classes.Keys)}");
                chosen = "standard";
            }

            if (entry.Choice<SourceKind>("Kind", null) is { } kind)
            {
                sources.Add(WithSettings(entry, new Source(name, kind, chosen, workspace) { Recovery = RecoveryConfiguration.Read(entry) }, warnings));
            }
        }

        ReportSharedSlots(sources, root);
        return sources;
    }

    private static Source WithSettings(ConfigurationReader entry, Source source, List<string> warnings)
    {
        var wanted = source.Kind.ToString();
        foreach (var other in Sections.Where(section => section != wanted && entry.Has(section)))
        {
            entry.Problem(other, $"does not belong to a source of kind {wanted.ToLowerInvariant()}");
        }

        if (!entry.Has(wanted))
        {
            entry.Problem(wanted, "is missing; it says how to reach the source");
            return source;
        }

        if (source is { Kind: not SourceKind.Postgres, Recovery.Service.Driver: ServiceDriver.PgCtl })
        {
            entry.Section("Recovery").Section("Service").Problem("Driver", $"pg_ctl stops and starts PostgreSQL, and {source.Name} is none; use systemd, kubernetes or command");
        }

        var settings = entry.Section(wanted);
        if (source is { Kind: SourceKind.Postgres, Recovery.Service.Driver: ServiceDriver.PgCtl } && settings.Text("Node") is { } node)
        {
            entry.Section("Recovery").Section("Service").Problem("Driver", $"pg_ctl stops and starts a server on the console's machine, and {source.Name} is on node {node}; use kubernetes or command");
        }

        if (source is { Kind: SourceKind.VCluster, Recovery.Service.Workload: { } workload } && workload.Namespace == settings.Text("Namespace") && workload.Name == settings.Text("Name"))
        {
            entry.Section("Recovery").Section("Service").Problem("Workload", "is the virtual cluster itself, which its restore stops and starts; leave Service out");
        }

        return source.Kind switch
        {
            SourceKind.Postgres => source with { Postgres = ReadPostgres(settings, source.Name, warnings) },
            SourceKind.Redis => source with { Redis = ReadRedis(settings, source.Name, warnings) },
            SourceKind.Volume => source with { Volume = VolumeConfiguration.Read(settings) },
            _ => source with { VCluster = VClusterConfiguration.Read(settings) },
        };
    }

    private static PostgresSettings ReadPostgres(ConfigurationReader settings, string source, List<string> warnings)
    {
        settings.AllowOnly("Host", "Port", "Database", "Username", "PasswordFile", "Mode", "DataDirectory", "Node", "Standby", "Tables", "Wal", "Heartbeat");
        var mode = settings.Choice<PostgresMode>("Mode", PostgresMode.Logical) ?? PostgresMode.Logical;
        var tables = settings.Items("Tables").Select(item => settings.Section("Tables").Text(item.Key) ?? "").Where(table => table.Length > 0).ToList();
        if (mode != PostgresMode.Logical && tables.Count > 0)
        {
            warnings.Add($"{source}: mode '{mode.ToString().ToLowerInvariant()}' captures the whole cluster as files; Tables holds for logical dumps only");
        }

        return new PostgresSettings(
            settings.RequiredText("Host"), settings.Number("Port", 5432, 1, 65535), settings.RequiredText("Database"),
            settings.RequiredText("Username"), Secret(settings), mode, tables)
        {
            DataDirectory = ReadDataDirectory(settings, mode, source, warnings),
            Node = ReadNode(settings),
            Standby = ReadStandby(settings, mode, source, warnings),
            Wal = ReadWal(settings, mode),
            Heartbeat = ReadHeartbeat(settings, mode),
        };
    }

    /// <summary>The role and its password are the server's own where nothing else is said: a standby has the same.</summary>
    private static PostgresStandby? ReadStandby(ConfigurationReader settings, PostgresMode mode, string source, List<string> warnings)
    {
        if (!settings.Has("Standby"))
        {
            return null;
        }

        var standby = settings.Section("Standby");
        standby.AllowOnly("Host", "Port", "Username", "PasswordFile", "DataDirectory", "Node", "CatchUp");
        if (mode == PostgresMode.Logical)
        {
            settings.Problem("Standby", "is for physical backups; set Mode to physical or both");
        }

        var (host, port) = (standby.RequiredText("Host"), standby.Number("Port", 5432, 1, 65535));
        if (host == settings.Text("Host") && port == settings.Number("Port", 5432, 1, 65535))
        {
            standby.Problem("Host", $"{host}:{port} is the source itself; name its standby, or leave Standby out");
        }

        var catchUp = standby.Duration("CatchUp", PostgresStandby.DefaultCatchUp);
        if (catchUp < TimeSpan.FromSeconds(1) || catchUp > TimeSpan.FromMinutes(15))
        {
            standby.Problem("CatchUp", "is from 00:00:01 to 00:15:00");
        }

        return new PostgresStandby(
            host, port, standby.Text("Username") ?? settings.Text("Username") ?? "", standby.Has("PasswordFile") ? Secret(standby) : settings.FilePath("PasswordFile"),
            ReadDataDirectory(standby, PostgresMode.Physical, $"{source}'s standby", warnings), catchUp)
        {
            Node = ReadNode(standby),
        };
    }

    /// <summary>Off unless it is asked for: it writes into somebody's database.</summary>
    private static TimeSpan? ReadHeartbeat(ConfigurationReader settings, PostgresMode mode)
    {
        if (!settings.Has("Heartbeat"))
        {
            return null;
        }

        var heartbeat = settings.Section("Heartbeat");
        heartbeat.AllowOnly("Seconds");
        if (mode == PostgresMode.Logical)
        {
            settings.Problem("Heartbeat", "is written while WAL is received; set Mode to physical or both");
        }

        if (heartbeat.Text("Seconds") is null)
        {
            heartbeat.Problem("Seconds", "is missing; it says how often the heartbeat's row is written");
        }

        return heartbeat.OptionalNumber("Seconds", 1, 3600) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private static string? ReadNode(ConfigurationReader settings)
    {
        var node = EstateConfiguration.ReadNode(settings);
        if (node is not null && settings.Text("DataDirectory") is null)
        {
            settings.Problem("Node", $"the agent of {node} reads the data directory, and none is named; set DataDirectory to its path there, or leave Node out");
        }

        return node;
    }

    /// <summary>
    /// A directory that is away is no mistake: a recovery that was killed has moved it aside, and the console must start to go on
    /// with it. One that is there and is no data directory is.
    /// </summary>
    private static string? ReadDataDirectory(ConfigurationReader settings, PostgresMode mode, string source, List<string> warnings)
    {
        var path = settings.FilePath("DataDirectory");
        // Of another machine's directory whatever lies here by that name says nothing.
        var isHere = settings.Text("Node") is null;
        if (path is not null && mode == PostgresMode.Logical)
        {
            settings.Problem("DataDirectory", "is for physical backups; set Mode to physical or both");
        }
        else if (path is not null && isHere && !Path.Exists(path) && Directory.Exists(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path))))
        {
            warnings.Add($"{source}: its data directory {path} is not there; where no recovery has moved it aside, its path is wrong, and nothing can be backed up or recovered there");
        }
        else if (path is not null && isHere && !File.Exists(Path.Combine(path, "PG_VERSION")))
        {
            settings.Problem("DataDirectory", $"{path} is no data directory that this process can read (it has no PG_VERSION); leave it out and the server sends its files");
        }

        return path is null ? null : Path.TrimEndingDirectorySeparator(path);
    }

    private static WalSettings ReadWal(ConfigurationReader settings, PostgresMode mode)
    {
        var wal = settings.Section("Wal");
        wal.AllowOnly("Enabled", "Slot", "Synchronous", "FlushInterval", "SlotLimitMiB");
        var slot = wal.Text("Slot");
        if (slot is not null && !SlotShape().IsMatch(slot))
        {
            wal.Problem("Slot", $"'{slot}' is no slot's name; PostgreSQL takes up to 63 lower-case letters, digits and '_'");
        }

        var interval = wal.Duration("FlushInterval", WalSettings.DefaultFlushInterval);
        if (interval < TimeSpan.FromMilliseconds(100) || interval > TimeSpan.FromMinutes(5))
        {
            wal.Problem("FlushInterval", "is from 00:00:00.1 to 00:05:00");
        }

        bool? isEnabled = wal.Text("Enabled") is null ? null : wal.Flag("Enabled", false);
        if (isEnabled == true && mode == PostgresMode.Logical)
        {
            wal.Problem("Enabled", "WAL without base backups restores nothing; set Mode to physical or both");
        }

        return new WalSettings(isEnabled, slot, wal.Flag("Synchronous", false), interval)
        {
            SlotLimitMib = wal.Number("SlotLimitMiB", (int)WalSettings.DefaultSlotLimitMib, 64, 1 << 24),
        };
    }

    [GeneratedRegex("^[a-z0-9_]{1,63}$")]
    private static partial Regex SlotShape();

    /// <summary>Two receivers on one slot would lose WAL for each other.</summary>
    private static void ReportSharedSlots(List<Source> sources, ConfigurationReader root)
    {
        foreach (var shared in sources.Where(source => source.Postgres is { Mode: not PostgresMode.Logical } settings && settings.Wal.IsEnabled != false)
            .GroupBy(source => (source.Postgres!.Host, source.Postgres.Port, Slot: source.Postgres.Wal.SlotOf(source.Name))).Where(group => group.Count() > 1))
        {
            root.Problem("Sources", $"{string.Join(" and ", shared.Select(source => source.Name))} receive WAL from {shared.Key.Host}:{shared.Key.Port} through one slot, {shared.Key.Slot}; give one of them another Wal:Slot");
        }
    }

    private static RedisSettings ReadRedis(ConfigurationReader settings, string source, List<string> warnings)
    {
        settings.AllowOnly("Host", "Port", "Username", "PasswordFile", "Tls", "CaFile", "DataDirectory", "DumpFile", "AppendDirectory", "AppendFile");
        var redis = new RedisSettings(settings.RequiredText("Host"), settings.Number("Port", 6379, 1, 65535), Secret(settings), settings.Flag("Tls", false))
        {
            Username = settings.Text("Username"),
            CaFile = settings.FilePath("CaFile"),
            DataDirectory = settings.FilePath("DataDirectory") is { } directory ? Path.TrimEndingDirectorySeparator(directory) : null,
            DumpFile = NameIn(settings, "DumpFile"),
            AppendDirectory = NameIn(settings, "AppendDirectory"),
            AppendFile = NameIn(settings, "AppendFile"),
        };
        if (redis.DataDirectory is { } data && !Directory.Exists(data))
        {
            warnings.Add($"{source}: its data directory {data} is not there, or this process may not see it; nothing can be recovered there");
        }

        if (redis.Username is not null && redis.PasswordFile is null)
        {
            settings.Problem("PasswordFile", "is missing; a user signs in with a password");
        }

        if (redis.CaFile is { } authority && !redis.Tls)
        {
            settings.Problem("CaFile", $"{authority} is for TLS; set Tls to true");
        }
        else if (redis.CaFile is { } file && !File.Exists(file))
        {
            settings.Problem("CaFile", $"there is no file {file}");
        }

        return redis;
    }

    /// <summary>The name of something in the server's data directory.</summary>
    private static string? NameIn(ConfigurationReader settings, string key)
    {
        var name = settings.Text(key);
        if (name is not null && (name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal)))
        {
            settings.Problem(key, $"'{name}' is no name of a file in the data directory");
        }

        return name;
    }

    private static string? Secret(ConfigurationReader settings)
    {
        var path = settings.FilePath("PasswordFile");
        if (path is not null && !File.Exists(path))
        {
            settings.Problem("PasswordFile", $"there is no file {path}");
        }

        return path;
    }
}
