using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Engine.Tests.Estate;

public sealed class EstateConfigurationTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-config-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Read_redis_takes_a_user_with_its_password_and_an_authority_with_TLS()
    {
        Touch("keys/cache.pw", "keys/ca.pem");
        var good = """{ "DrConsole": { "Sources": [ { "Name": "cache", "Kind": "redis", "Redis": { "Host": "h", "Username": "backup", "PasswordFile": "keys/cache.pw", "Tls": true, "CaFile": "keys/ca.pem" } } ] } }""";
        var redis = Assert.Single(EstateConfiguration.Read(Load(good), null).Sources).Redis!;
        Assert.Equal(("h", 6379, "backup", true), (redis.Host, redis.Port, redis.Username, redis.Tls));
        Assert.Equal(Path.Combine(_folder.FullName, "keys/ca.pem"), redis.CaFile);

        var bad = """{ "DrConsole": { "Sources": [ { "Name": "cache", "Kind": "redis", "Redis": { "Host": "h", "Username": "backup", "CaFile": "keys/ca.pem" } } ] } }""";
        var fault = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(bad), null));
        Assert.All(["Redis:PasswordFile", "Redis:CaFile"], key => Assert.Contains(key, fault.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_restore_approvals_is_one_unless_said_and_none_is_warned_of()
    {
        Assert.Equal(1, EstateConfiguration.Read(Load("{}"), "/srv/data").RestoreApprovals);
        Assert.Equal(2, EstateConfiguration.Read(Load("""{ "DrConsole": { "RestoreApprovals": 2 } }"""), "/srv/data").RestoreApprovals);
        var alone = EstateConfiguration.Read(Load("""{ "DrConsole": { "RestoreApprovals": 0 } }"""), "/srv/data");
        Assert.Equal(0, alone.RestoreApprovals);
        Assert.Contains(alone.Warnings, warning => warning.Contains("RestoreApprovals", StringComparison.Ordinal));
        Assert.Contains("RestoreApprovals", Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load("""{ "DrConsole": { "RestoreApprovals": -1 } }"""), "/srv/data")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_least_approvals_of_a_risk_raise_the_gates_of_plans_and_of_restores()
    {
        var estate = EstateConfiguration.Read(Load("""{ "DrConsole": { "Approvals": { "Destructive": 2 } } }"""), "/srv/data");
        Assert.Equal((2, 3, 1), (Of("destructive"), Of("destructive", 3), Of("traffic")));
        // One that writes over what lives is destructive, whatever its author calls it.
        Assert.Equal(2, new PlanGate("traffic").In(estate, restores: true).Approvals);
        Assert.Equal(2, estate.RestoreApprovals);
        var against = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load("""{ "DrConsole": { "RestoreApprovals": 1, "Approvals": { "destructive": 2, "traffic": 0 } } }"""), "/srv/data"));
        Assert.All(["DrConsole:RestoreApprovals: is 1", "Approvals:traffic"], part => Assert.Contains(part, against.Message, StringComparison.Ordinal));

        int Of(string risk, int approvals = 1) => new PlanGate(risk, approvals).In(estate, restores: false).Approvals;
    }

    [Fact]
    public void Read_nothing_configured_gives_a_hot_tier_in_the_data_folder()
    {
        var estate = EstateConfiguration.Read(Load("{}"), "/srv/data");

        var tier = Assert.Single(estate.Tiers);
        Assert.Equal(("hot", "file:///srv/data/tiers/hot", "/srv/data/keys/repository.key"), (tier.Name, tier.Store, tier.KeyFile));
        Assert.Empty(estate.Sources);
        Assert.Equal(["archive", "critical", "important", "standard"], estate.Classes.Keys.Order());
    }

    [Fact]
    public void Read_the_documented_example_gives_all_of_it()
    {
        Touch("keys/repository.key", "keys/orders.pw", "keys/host.kubeconfig", "keys/id_ed25519");
        var estate = EstateConfiguration.Read(Load("""
            { "DrConsole": {
              "DataDirectory": "data",
              "Health": { "Interval": "00:00:10", "AmcheckEvery": "01:00:00", "Thresholds": { "ConfirmAfter": 6 } },
              "Classes": { "critical": { "Rto": "00:15:00", "Rpo": "00:05:00", "Retention": { "Hourly": 24, "Daily": 30, "Weekly": 12, "Monthly": 12, "Yearly": 7 },
                                         "Tiers": { "hot": 7, "warm": 90, "cold": 2555 }, "MinimumTiers": 2, "ProofDays": 7 } },
              "Tiers":   [ { "Name": "hot",  "Store": "file:///var/backups/hot",  "KeyFile": "keys/repository.key", "Location": "local" },
                           { "Name": "warm", "Store": "s3://backups/warm?endpoint=http://127.0.0.1:7480&pathStyle=true", "KeyFile": "keys/repository.key", "UploadMbitPerSecond": 200, "RetrySeconds": 30 },
                           { "Name": "cold", "Store": "sftp://backup@127.0.0.1:2022/srv/cold?identity=keys/id_ed25519", "KeyFile": "keys/repository.key" } ],
              "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "critical", "Workspace": "shop",
                             "Postgres": { "Host": "127.0.0.1", "Port": 5433, "Database": "orders", "Username": "backup", "PasswordFile": "keys/orders.pw", "Mode": "logical", "Tables": [] } },
                           { "Name": "cache", "Kind": "redis", "Class": "important", "Redis": { "Host": "127.0.0.1", "Port": 6380, "PasswordFile": null, "Tls": false } },
                           { "Name": "uploads", "Kind": "volume", "Class": "standard", "Volume": { "Path": "/srv/uploads" } },
                           { "Name": "tenant-a", "Kind": "vcluster", "Class": "critical", "VCluster": { "Namespace": "vcluster-tenant-a", "Kubeconfig": "keys/host.kubeconfig", "PauseForBackup": false } } ] } }
            """), null);

        Assert.Equal(Path.Combine(_folder.FullName, "data"), estate.DataDirectory);
        Assert.Equal(Path.Combine(_folder.FullName, "keys/orders.pw"), estate.SourceNamed("orders").Postgres!.PasswordFile);
        Assert.Equal(4, estate.Sources.Count);
        Assert.Equal((10, 60, 1, 6, 2), (estate.Health.Interval.TotalSeconds, estate.Health.ErrorInterval.TotalSeconds, estate.Health.AmcheckEvery!.Value.TotalHours, estate.Health.Thresholds.ConfirmAfter, estate.Health.Thresholds.SuspectAfter));
        Assert.Empty(estate.Warnings);
        Assert.Equal(
            ["file:///var/backups/hot", "s3://backups/warm?endpoint=http://127.0.0.1:7480", $"sftp://backup@127.0.0.1:2022/srv/cold?identity={_folder.FullName}/keys/id_ed25519"],
            estate.Tiers.Select(tier => tier.Store));
        Assert.Equal((200, null, 30), (estate.Tiers[1].UploadMbitPerSecond, estate.Tiers[1].DownloadMbitPerSecond, estate.Tiers[1].RetrySeconds));
    }

    [Fact]
    public void Read_a_data_directory_that_is_away_is_a_warning_and_one_that_is_none_a_mistake()
    {
        Touch("key", "pw");
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "pg/other"));
        string Config(string directory) => $$"""
            { "DrConsole": {
              "Tiers": [ { "Name": "hot", "Store": "file:///var/backups/hot", "KeyFile": "key" } ],
              "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "standard",
                             "Postgres": { "Host": "127.0.0.1", "Port": 5433, "Database": "orders", "Username": "backup", "PasswordFile": "pw", "Mode": "physical", "DataDirectory": "{{directory}}" } } ] } }
            """;

        // A recovery that was killed has moved it aside: the console must start to go on with it.
        var estate = EstateConfiguration.Read(Load(Config("pg/main")), null);

        Assert.Equal(Path.Combine(_folder.FullName, "pg/main"), estate.SourceNamed("orders").Postgres!.DataDirectory);
        Assert.Contains(estate.Warnings, warning => warning.StartsWith("orders: its data directory", StringComparison.Ordinal));
        Assert.All(new[] { "pg/other", "nowhere/main" }, wrong =>
            Assert.Contains("no data directory", Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config(wrong)), null)).Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_a_data_directory_of_a_node_is_not_looked_for_here_and_needs_its_name_and_path()
    {
        Touch("key", "pw");
        string Config(string more, string recovery = "") => $$"""
            { "DrConsole": {
              "Tiers": [ { "Name": "hot", "Store": "file:///var/backups/hot", "KeyFile": "key" } ],
              "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "standard", {{recovery}}
                             "Postgres": { "Host": "db", "Port": 5433, "Database": "orders", "Username": "backup", "PasswordFile": "pw", "Mode": "physical", {{more}} } } ] } }
            """;
        Source Read(string more) => EstateConfiguration.Read(Load(Config(more)), null).SourceNamed("orders");
        string Fault(string more, string recovery = "") => Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config(more, recovery)), null)).Message;
        const string Own = """ "DataDirectory": "/nowhere/at/all", "Node": "db-1" """;

        Assert.Equal(("db-1", "/nowhere/at/all"), (Read(Own).Node, Read(Own).Postgres!.DataDirectory));
        Assert.DoesNotContain(EstateConfiguration.Read(Load(Config(Own)), null).Warnings, warning => warning.Contains("data directory", StringComparison.Ordinal));
        // Whoever reads the files makes the backup: the standby's node, where they are read there.
        Assert.Equal("db-2", Read($$"""{{Own}}, "Standby": { "Host": "db-2", "DataDirectory": "/nowhere", "Node": "db-2" }""").Node);
        Assert.Equal("db-1", Read($$"""{{Own}}, "Standby": { "Host": "db-2" }""").Node);

        Assert.Contains("Postgres:Node: the agent of db-1 reads the data directory, and none is named", Fault(""" "Node": "db-1" """), StringComparison.Ordinal);
        Assert.Contains("Postgres:Node: 'DB 1' is not a name", Fault(""" "DataDirectory": "/srv/data", "Node": "DB 1" """), StringComparison.Ordinal);
        Assert.Contains("Service:Driver: pg_ctl stops and starts a server on the console's machine", Fault(Own, """ "Recovery": { "Service": { "Driver": "pgctl" } }, """), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_three_mistakes_reports_all_three_with_their_keys()
    {
        Touch("key");
        var fault = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load("""
            { "DrConsole": {
              "Tiers": [ { "Name": "hot", "Store": "file:///var/backups/hot", "KeyFile": "missing.key" } ],
              "Sources": [ { "Name": "orders", "Kind": "oracle", "Class": "critical" },
                           { "Name": "crm", "Kind": "postgres", "Postgres": { "Host": "db", "Port": "high", "Database": "crm", "Username": "b" } } ] } }
            """), null));

        Assert.Equal("configuration", fault.Code);
        Assert.Contains("3 mistakes", fault.Message, StringComparison.Ordinal);
        Assert.Contains("DrConsole:Tiers:0:KeyFile: there is no file", fault.Message, StringComparison.Ordinal);
        Assert.Contains("DrConsole:Sources:0:Kind: 'oracle' is not one of postgres", fault.Message, StringComparison.Ordinal);
        Assert.Contains("DrConsole:Sources:1:Postgres:Port: 'high'", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "DrConsole": { "Health": { "Interval": "00:00:10", "Timeout": "00:00:20" } } }""", "DrConsole:Health:Timeout: is longer than Interval")]
    [InlineData("""{ "DrConsole": { "Health": { "Interval": "soon", "Thresholds": { "SuspectAfter": 5, "KindsToConfirm": 9 } } } }""",
        "DrConsole:Health:Interval: 'soon' is not a duration; write hh:mm:ss or d.hh:mm:ss, for example 00:15:00\n  - DrConsole:Health:Thresholds:KindsToConfirm: '9' is not a whole number from 1 to 3\n  - DrConsole:Health:Thresholds:ConfirmAfter: is below SuspectAfter")]
    [InlineData("""{ "DrConsole": { "Surces": [] , "Nmae": "x" } }""", "DrConsole:Nmae: unknown key")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "hot", "Store": "s3://bb/p?regin=x", "KeyFile": "key" } ] } }""", "there is no option 'regin'")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "hot", "Store": "sftp://b@h/x?identity=no.key", "KeyFile": "key" } ] } }""", "/no.key (identity)")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "s3://bb/p?endpoint=http://localhost", "KeyFile": "key" }, { "Name": "b", "Store": "s3://bb/p/?endpoint=http://127.0.0.1:80", "KeyFile": "key" } ] } }""", "is given 2 times, as 'a' and as 'b'")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "file:///x", "KeyFile": "key" }, { "Name": "b", "Store": "file:///x/y", "KeyFile": "key" } ] } }""", "one store lies inside the other")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "file:///x", "KeyFile": "key", "UploadMbitPerSecond": 0 } ] } }""", "'0' is not a whole number from 1")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "hot", "Store": "/var/x", "KeyFile": "key" } ] } }""", "is not a store's URL")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "file:///x", "KeyFile": "key" }, { "Name": "b", "Store": "file:///x/", "KeyFile": "key" } ] } }""", "the store 'file:///x' is given 2 times")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "s3://bb/p", "PruneStore": "s3://bb/q?profile=prune", "KeyFile": "key" } ] } }""", "PruneStore: is another place")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "s3://bb/p", "PruneStore": "s3://bb/p", "KeyFile": "key" } ] } }""", "PruneStore: is the same as Store")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "file:///x", "PruneStore": "file:///x", "KeyFile": "key" } ] } }""", "PruneStore: is a local directory")]
    [InlineData("""{ "DrConsole": { "Tiers": [ { "Name": "a", "Store": "s3://bb/p", "PruneStore": "s3://bb/p?credentials=no.file", "KeyFile": "key" } ] } }""", "PruneStore: there is no file")]
    [InlineData("""{ "DrConsole": { "Classes": { "critical": { "Rpo": "five" } } } }""", "'five' is not a duration")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "Orders DB", "Kind": "volume", "Volume": { "Path": "/x" } } ] } }""", "is not a name")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "volume", "Postgres": { } } ] } }""", "Volume: is missing")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "vcluster", "VCluster": { "Namespace": "n", "Kubeconfig": "k", "Etcd": { "Endpoint": "10.0.0.1:2379", "Certificate": "no.crt" } } } ] } }""",
        "Etcd:Certificate: and Key go together: give both or none\n  - DrConsole:Sources:0:VCluster:Etcd:Certificate: there is no file")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "vcluster", "VCluster": { "Namespace": "n", "Kubeconfig": "k", "Server": "ftp://x" } } ] } }""", "Server: 'ftp://x' is not an address")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Wal": { "Slot": "My Slot" } } } ] } }""", "Wal:Slot: 'My Slot' is no slot's name")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Wal": { "FlushInterval": "00:10:00" } } } ] } }""", "Wal:FlushInterval: is from")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Heartbeat": { "Seconds": 0 } } } ] } }""", "Heartbeat:Seconds: '0' is not a whole number")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Heartbeat": { "Seconds": 5 } } } ] } }""", "Heartbeat: is written while WAL is received")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Standby": { "Host": "s" } } } ] } }""", "Standby: is for physical backups")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Standby": { "Host": "h" } } } ] } }""", "Standby:Host: h:5432 is the source itself")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Standby": { "Port": 5433 } } } ] } }""", "Standby:Host: is missing")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical", "Standby": { "Host": "s", "CatchUp": "01:00:00" } } } ] } }""", "Standby:CatchUp: is from 00:00:01 to 00:15:00")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Wal": { "Enabled": true } } } ] } }""", "Wal:Enabled: WAL without base backups restores nothing")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Wal": { "Syncronous": true } } } ] } }""", "Wal:Syncronous: unknown key")]
    [InlineData("""{ "DrConsole": { "Sources": [ { "Name": "a.b", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "both" } }, { "Name": "a-b", "Kind": "postgres", "Postgres": { "Host": "h", "Database": "e", "Username": "u", "Mode": "both" } } ] } }""", "through one slot, drconsole_a_b")]
    public void Read_a_mistake_is_named(string json, string expected)
    {
        Touch("key");
        var fault = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(json), null));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.NotNull(fault.Hint);
    }

    [Fact]
    public void Claim_and_snapshot_of_a_volume_are_read_and_all_mistakes_are_named_at_once()
    {
        Touch("kubeconfig");
        string Config(string volume) => $$"""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "volume", "Volume": {{volume}} } ] } }""";
        string Fault(string volume) => Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config(volume)), null)).Message;
        var good = EstateConfiguration.Read(Load(Config("""
            { "Claim": { "Kubeconfig": "kubeconfig", "Namespace": "shop", "Name": "uploads.v2", "VolumesDirectory": "/srv/volumes" }, "Node": "worker-1",
              "Snapshot": { "Class": "fast", "ReadyTimeout": "00:01:00" } }
            """)), null).Sources[0].Volume!;
        Assert.Equal(new ClaimSettings(Path.Combine(_folder.FullName, "kubeconfig"), "shop", "uploads.v2") { VolumesDirectory = "/srv/volumes", KubeletDirectory = "/var/lib/kubelet" }, good.Claim);
        Assert.Equal(new SnapshotSettings(TimeSpan.FromMinutes(1)) { Class = "fast", PodImage = SnapshotSettings.DefaultPodImage }, good.Snapshot);
        Assert.Equal((null, "claim shop/uploads.v2"), (good.Path, good.Place));
        // The kubeconfig of a node is that node's.
        Assert.NotNull(EstateConfiguration.Read(Load(Config("""{ "Claim": { "Kubeconfig": "/else/where", "Namespace": "n", "Name": "c" }, "Node": "w" }""")), null).Sources[0].Volume!.Claim);

        var all = Fault("""
            { "Path": "/x", "Claim": { "Kubeconfig": "gone", "Namespace": "Shop!", "Name": "a/b", "Kubelet": "/k" }, "Snapshot": { "Class": "No Class", "ReadyTimeout": "12:00:00" } }
            """);
        Assert.All(
            new[]
            {
                "Volume:Path: does not go with Claim", "Claim:Kubeconfig: there is no file", "Claim:Namespace: 'Shop!' is no name", "Claim:Name: 'a/b' is no name of a claim", "Claim:Kubelet: unknown key",
                "Snapshot:Class: 'No Class' is no name of a class", "Snapshot:ReadyTimeout: is from 00:00:01 to 02:00:00", "7 mistakes",
            },
            mistake => Assert.Contains(mistake, all, StringComparison.Ordinal));
        Assert.Contains("Volume:Path: is missing; name a directory, an image, a device, or instead of it a Claim", Fault("""{ "Node": "w" }"""), StringComparison.Ordinal);
        Assert.Contains("Volume:Snapshot: is for a Claim", Fault("""{ "Path": "/x", "Snapshot": { "Class": "c" } }"""), StringComparison.Ordinal);
        Assert.Contains("Volume:Snapshot: is empty", Fault("""{ "Claim": { "Kubeconfig": "kubeconfig", "Namespace": "n", "Name": "c" }, "Snapshot": { } }"""), StringComparison.Ordinal);
    }

    [Fact]
    public void WAL_is_received_where_the_class_may_lose_little_or_the_source_asks_for_it()
    {
        var estate = EstateConfiguration.Read(Load("""
            { "DrConsole": { "Sources": [
              { "Name": "orders-db", "Kind": "postgres", "Class": "critical", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "physical" } },
              { "Name": "dumped", "Kind": "postgres", "Class": "critical", "Postgres": { "Host": "h", "Database": "d", "Username": "u" } },
              { "Name": "slow", "Kind": "postgres", "Class": "standard", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "both" } },
              { "Name": "off", "Kind": "postgres", "Class": "critical", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "both", "Wal": { "Enabled": false } } },
              { "Name": "asked", "Kind": "postgres", "Class": "standard", "Postgres": { "Host": "h", "Database": "d", "Username": "u", "Mode": "both", "Wal": { "Enabled": true, "Synchronous": true, "Slot": "mine", "FlushInterval": "00:00:03" } } } ] } }
            """), null);
        Assert.Equal(["orders-db", "asked"], estate.Sources.Where(source => estate.WalOf(source) is not null).Select(source => source.Name));
        Assert.Equal(new WalSettings(null, null, false, TimeSpan.FromSeconds(1)), estate.WalOf(estate.Sources[0]));
        Assert.Equal("drconsole_orders_db", estate.WalOf(estate.Sources[0])!.SlotOf("orders-db"));
        Assert.Equal(new WalSettings(true, "mine", true, TimeSpan.FromSeconds(3)), estate.WalOf(estate.Sources[4]));
        Assert.Equal("mine", estate.WalOf(estate.Sources[4])!.SlotOf("asked"));
    }

    [Fact]
    public void Recovery_by_Kubernetes_is_read_and_all_its_mistakes_are_named_at_once()
    {
        Touch("kubeconfig");
        string Config(string recovery) => $$"""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "volume", "Volume": { "Path": "/x" }, "Recovery": {{recovery}} } ] } }""";
        var good = EstateConfiguration.Read(Load(Config("""
            { "Service": { "Driver": "kubernetes", "Kubeconfig": "kubeconfig", "Namespace": "shop", "Workload": "StatefulSet/shop.db", "Replicas": 3 },
              "SwitchService": { "Kubeconfig": "kubeconfig", "Namespace": "shop", "Service": "front", "Selector": { "site": "b", "app.kubernetes.io/name": "shop", "empty": "" } } }
            """)), null).Sources[0].Recovery;
        var kubeconfig = Path.Combine(_folder.FullName, "kubeconfig");
        Assert.Equal(new KubernetesWorkload(kubeconfig, "shop", WorkloadKind.StatefulSet, "shop.db", 3), good.Service!.Workload);
        Assert.Equal((kubeconfig, "shop", "front"), (good.SwitchService!.Kubeconfig, good.SwitchService.Namespace, good.SwitchService.Service));
        Assert.Equal(["app.kubernetes.io/name=shop", "empty=", "site=b"], good.SwitchService.Selector.Select(label => $"{label.Key}={label.Value}"));

        var fault = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config("""
            { "Service": { "Driver": "kubernetes", "Kubeconfig": "gone", "Workload": "pod/db", "Replicas": 0, "Unit": "x" }, "SwitchTraffic": ["a"], "SwitchBack": ["b"],
              "SwitchService": { "Namespace": "Shop!", "Service": "front/1", "Selector": { "-site": "b" } } }
            """)), null));
        Assert.Contains("10 mistakes", fault.Message, StringComparison.Ordinal);
        Assert.All(
            [
                "Service:Unit: does not belong to driver kubernetes", "Service:Workload: 'pod/db' is no workload; write statefulset/NAME or deployment/NAME", "Service:Kubeconfig: there is no file",
                "Service:Namespace: is missing", "Service:Replicas: '0' is not", "SwitchService: is another way", "SwitchService:Kubeconfig: is missing", "SwitchService:Namespace: 'Shop!'",
                "SwitchService:Service: 'front/1'", "SwitchService:Selector:-site: '-site=b' is no label",
            ],
            mistake => Assert.Contains(mistake, fault.Message, StringComparison.Ordinal));
        Assert.Contains("SwitchService:Selector: is missing", Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config("""
            { "SwitchService": { "Kubeconfig": "kubeconfig", "Namespace": "n", "Service": "s" } }
            """)), null)).Message, StringComparison.Ordinal);
        Assert.Contains("Service:Namespace: does not belong to driver systemd", Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load(Config("""
            { "Service": { "Driver": "systemd", "Unit": "u", "Namespace": "n" } }
            """)), null)).Message, StringComparison.Ordinal);
        Assert.Contains("is the virtual cluster itself", Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load("""
            { "DrConsole": { "Sources": [ { "Name": "t", "Kind": "vcluster", "VCluster": { "Namespace": "n", "Name": "t", "Kubeconfig": "kubeconfig" },
              "Recovery": { "Service": { "Driver": "kubernetes", "Kubeconfig": "kubeconfig", "Namespace": "n", "Workload": "statefulset/t" } } } ] } }
            """), null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_unknown_class_is_standard_with_a_warning()
    {
        var estate = EstateConfiguration.Read(Load("""{ "DrConsole": { "Sources": [ { "Name": "o", "Kind": "volume", "Class": "gold", "Volume": { "Path": "/x" } } ] } }"""), null);
        Assert.Equal("standard", estate.Sources[0].Class);
        Assert.Contains(estate.Warnings, warning => warning.Contains("'gold'", StringComparison.Ordinal));
    }

    [Fact]
    public void Credentials_that_may_delete_are_those_of_the_runs_that_delete()
    {
        Touch("key", "id", "prune");
        var estate = EstateConfiguration.Read(Load("""
            { "DrConsole": { "Tiers": [ { "Name": "cold", "Store": "sftp://backup@Site:22/srv/cold?identity=id", "PruneStore": "sftp://pruner@site/srv/cold?identity=prune", "KeyFile": "key", "UploadMbitPerSecond": 8 },
                                        { "Name": "hot", "Store": "file:///hot", "KeyFile": "key" } ] } }
            """), null);
        var (cold, hot) = (estate.Tiers[0], estate.Tiers[1]);
        Assert.Equal($"sftp://pruner@site:22/srv/cold?identity={_folder.FullName}/prune", cold.ForPrune.Store);
        Assert.Equal(("cold", 8, $"sftp://backup@Site:22/srv/cold?identity={_folder.FullName}/id"), (cold.ForPrune.Name, cold.ForPrune.UploadMbitPerSecond!.Value, cold.Store));
        Assert.Same(hot, hot.ForPrune);
    }

    [Fact]
    public void RepositoryUrl_puts_the_workspace_before_the_query()
    {
        var tier = new StorageTier("warm", "s3://b/warm/?region=r", "k", null);
        Assert.Equal("s3://b/warm/shop?region=r", tier.RepositoryUrl("shop"));
    }

    private IConfigurationRoot Load(string json)
    {
        var path = Path.Combine(_folder.FullName, "drconsole.json");
        File.WriteAllText(path, json);
        return new ConfigurationBuilder().AddJsonFile(path, optional: false, reloadOnChange: false).Build();
    }

    private void Touch(params string[] names)
    {
        foreach (var name in names)
        {
            var path = Path.Combine(_folder.FullName, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "secret\n");
        }
    }

    [Fact]
    public void Read_a_ladder_that_keeps_nothing_is_refused()
    {
        var fault = Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load("""{ "DrConsole": { "Classes": { "critical": { "Retention": { "Hourly": 0, "Daily": 0, "Weekly": 0, "Monthly": 0, "Yearly": 0 } } } } }"""), null));
        Assert.Contains("DrConsole:Classes:critical:Retention: keeps nothing", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", Compression.Balanced)]
    [InlineData("\"Compression\": \"fast\"", Compression.Fast)]
    public void Read_how_a_class_compresses(string said, Compression expected) =>
        Assert.Equal(expected, EstateConfiguration.Read(Load($$"""{ "DrConsole": { "Classes": { "critical": { {{said}} } } } }"""), null).Classes["critical"].Compression);

    [Theory]
    [InlineData("1")]
    [InlineData("best")]
    public void Read_a_compression_that_is_none_is_refused(string said) => Assert.Contains(
        $"DrConsole:Classes:critical:Compression: '{said}' is not one of balanced, fast",
        Assert.Throws<EngineException>(() => EstateConfiguration.Read(Load($$"""{ "DrConsole": { "Classes": { "critical": { "Compression": "{{said}}" } } } }"""), null)).Message, StringComparison.Ordinal);

    [Fact]
    public void Read_warns_of_days_that_a_ladder_never_reaches_and_of_a_ladder_that_outlives_all_tiers()
    {
        const string source = """ "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "mine", "Postgres": { "Host": "h", "Database": "d", "Username": "u" } } ] """;
        var estate = EstateConfiguration.Read(Load($$"""{ "DrConsole": { "Classes": { "mine": { "Retention": { "Hourly": 0, "Daily": 3, "Weekly": 0, "Monthly": 0, "Yearly": 0 }, "Tiers": { "hot": 90 } } }, {{source}} } }"""), null);
        Assert.Contains(estate.Warnings, warning => warning.Contains("hot may keep 90 days, which its ladder never reaches", StringComparison.Ordinal));
        estate = EstateConfiguration.Read(Load($$"""{ "DrConsole": { "Classes": { "mine": { "Retention": { "Yearly": 7 }, "Tiers": { "hot": 90 } } }, {{source}} } }"""), null);
        Assert.Contains(estate.Warnings, warning => warning.Contains("its ladder reaches 2555 days back", StringComparison.Ordinal));
    }
}
