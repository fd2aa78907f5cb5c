using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Lab.Kubernetes;
using Hexabase.DrConsole.Lab.Mail;
using Hexabase.DrConsole.Lab.Postgres;
using Hexabase.DrConsole.Lab.Redis;
using Hexabase.DrConsole.Lab.Stores;
using Hexabase.DrConsole.Lab.Volumes;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Lab;

/// <summary>The command line of <c>drconsole-lab</c>. Exit codes: 0 done, 1 failed, 2 usage.</summary>
internal static class LabCommands
{
    private const string AllTiers = "all";

    internal static async Task<int> RunAsync(string[] arguments)
    {
        var directory = new Option<string>("--dir")
        {
            Description = "Folder of the lab",
            DefaultValueFactory = _ => LabFolder.DefaultPath,
        };
        var size = new Option<string>("--size")
        {
            Description = "How much data: small (5 MB) or demo (300 MB)",
            DefaultValueFactory = _ => LabSize.Demo.Name,
        };
        size.AcceptOnlyFromAmong(LabSize.Small.Name, LabSize.Demo.Name);
        var readyFile = new Option<string?>("--ready-file") { Description = "File that appears when the lab is up: it holds the path of the console's configuration" };

        var tiers = new Option<string>("--tiers")
        {
            Description = "Where backups go: all (a directory, an S3 server, a remote site by SFTP; what is installed of them) or local (two directories)",
            DefaultValueFactory = _ => AllTiers,
        };
        tiers.AcceptOnlyFromAmong(AllTiers, "local");
        var kubernetes = new Option<bool>("--kubernetes") { Description = "Also a host cluster with three populated virtual clusters" };
        var up = new Command("up", "Start the lab's servers, write the console's configuration, and write to the database until stopped")
        {
            directory, size, tiers, kubernetes, readyFile,
        };
        up.SetAction((result, _) => GuardAsync(() => UpAsync(
            new LabFolder(result.GetValue(directory)!), LabSize.Parse(result.GetValue(size)!), result.GetValue(tiers) == AllTiers, result.GetValue(kubernetes), result.GetValue(readyFile))));
        var wipe = new Command("wipe", "Remove what the lab made") { directory };
        wipe.SetAction((result, cancellation) => GuardAsync(() => WipeAsync(new LabFolder(result.GetValue(directory)!), cancellation)));

        var root = new RootCommand("Real servers on loopback for the demo and the tests of the disaster recovery console") { up, wipe };
        var parsed = root.Parse(arguments);
        var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }).ConfigureAwait(false);
        return parsed.Errors.Count > 0 ? 2 : code;
    }

    private static async Task UpAsync(LabFolder folder, LabSize size, bool hasStores, bool hasKubernetes, string? readyFile)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        if (readyFile is not null)
        {
            File.Delete(readyFile);
        }

        folder.EnsureNotRunning();
        await folder.Registry.SettleAsync(stop.Token).ConfigureAwait(false);
        var postgres = new LabPostgres(folder, new LabPostgresOptions { Size = size });
        var redis = new LabRedis(folder);
        var stores = new LabStores(folder);
        var kubernetes = hasKubernetes ? new LabKubernetes(folder) : null;
        var uploads = LabVolume.In(folder, size);
        await using (stores.ConfigureAwait(false))
        await using (redis.ConfigureAwait(false))
        await using (postgres.ConfigureAwait(false))
        {
            try
            {
                await ServeAsync(folder, new LabServers(postgres, redis, stores, kubernetes, uploads), size, hasStores, readyFile, stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                await Console.Error.WriteLineAsync("stopped while starting").ConfigureAwait(false);
            }
            finally
            {
                if (kubernetes is not null)
                {
                    await kubernetes.DisposeAsync().ConfigureAwait(false);
                }
            }
        }

        if (readyFile is not null)
        {
            File.Delete(readyFile);
        }

        await Console.Error.WriteLineAsync("the lab is down").ConfigureAwait(false);

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task ServeAsync(LabFolder folder, LabServers servers, LabSize size, bool hasStores, string? readyFile, CancellationToken cancellationToken)
    {
        var (postgres, redis, stores, kubernetes, uploads) = servers;
        await Console.Error.WriteLineAsync($"starting the lab in {folder.Path}").ConfigureAwait(false);
        var isNew = await postgres.StartAsync(cancellationToken).ConfigureAwait(false);
        await postgres.LetConsoleWriteAsync(cancellationToken).ConfigureAwait(false);
        if (hasStores)
        {
            await stores.StartAsync(Console.Error.WriteLine, cancellationToken).ConfigureAwait(false);
        }

        var hasClaim = false;
        if (kubernetes is not null)
        {
            await kubernetes.StartAsync(cancellationToken).ConfigureAwait(false);
            hasClaim = await kubernetes.AddShopAsync(cancellationToken).ConfigureAwait(false);
            foreach (var cluster in kubernetes.Clusters)
            {
                using var api = new KubeApi(KubeEndpoint.FromKubeconfig(cluster.ControlPlane.Kubeconfig), new KubeBudget(8));
                var made = await ClusterPopulation.FillAsync(api, PopulationSize.Demo, cancellationToken).ConfigureAwait(false);
                await cluster.AddClaimAsync(api, ClusterPopulation.NamespaceOf(0), "uploads", cancellationToken).ConfigureAwait(false);
                await Console.Error.WriteLineAsync($"virtual cluster {cluster.Name}: {made} objects made").ConfigureAwait(false);
            }
        }

        var hasRedis = await StartRedisAsync(redis, size, cancellationToken).ConfigureAwait(false);
        var mail = new LabMail(new LabMailOptions { Folder = folder.Combine("mail") });
        await using var mailing = mail.ConfigureAwait(false);
        uploads.Fill();
        LabConfiguration.Write(folder, postgres, stores, mail.Port, kubernetes, hasRedis ? redis : null, hasClaim);
        await Console.Out.WriteLineAsync(
            $"""
            configuration  {folder.ConfigurationFile}
            source         postgres://{LabPostgres.BackupRole}@{LabPostgres.Host}:{postgres.Port}/{LabPostgres.Orders} ({(isNew ? "new" : "reused")})
            volume         {folder.Combine(LabVolume.Name)}
            backup role    password in {postgres.BackupPasswordFile}
            cache          {(hasRedis ? $"redis://{LabRedis.BackupUser}@{LabRedis.Host}:{redis.Port}" : "none: redis-server is not installed")}
            claim          {(hasClaim ? $"{LabClaim.Namespace}/{LabClaim.Name} of the host cluster, from snapshots" : "none")}
            superuser      postgres, password in {postgres.AdminPasswordFile}
            tiers          hot: directory, warm: {(stores.Warm is null ? "directory" : "S3")}, cold: {(stores.Cold is null ? "none" : "SFTP")}
            mail           smtp://{LabMail.Host}:{mail.Port}, kept in {folder.Combine("mail")}
            virtual        {(kubernetes is null ? "none" : string.Join(", ", kubernetes.Clusters.Select(cluster => cluster.Name)) + "; host kubeconfig in " + kubernetes.Host.Kubeconfig)}
            passphrase     in {Path.Combine(folder.Keys, "repository.key")}
            """).ConfigureAwait(false);
        if (readyFile is not null)
        {
            LocalFolder.WritePrivateFile(Path.GetFullPath(readyFile), Encoding.UTF8.GetBytes(folder.ConfigurationFile + "\n"));
        }

        using var logging = LoggerFactory.Create(builder => builder.AddSimpleConsole(console => console.SingleLine = true));
        var load = new WriteLoad(postgres.ApplicationConnection(), TimeProvider.System, logging.CreateLogger<WriteLoad>());
        var cacheLoad = hasRedis ? new CacheLoad(redis.Admin, TimeProvider.System).RunAsync(cancellationToken) : Task.CompletedTask;
        await Task.WhenAll(load.RunAsync(cancellationToken), cacheLoad, uploads.ChangeAsync(TimeProvider.System, cancellationToken)).ConfigureAwait(false);
    }

    private static async Task<bool> StartRedisAsync(LabRedis redis, LabSize size, CancellationToken cancellationToken)
    {
        const int SmallSessions = 2000;
        const int DemoSessions = 50000;
        if (!LabRedis.IsInstalled)
        {
            return false;
        }

        await redis.StartAsync(cancellationToken).ConfigureAwait(false);
        if ((await redis.RunAsync(cancellationToken, "DBSIZE").ConfigureAwait(false)).Integer == 0)
        {
            await CacheContent.FillAsync(redis.Admin, size.Name == LabSize.Small.Name ? SmallSessions : DemoSessions, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>What the lab starts.</summary>
    private sealed record LabServers(LabPostgres Postgres, LabRedis Redis, LabStores Stores, LabKubernetes? Kubernetes, LabVolume Uploads);

    private static async Task WipeAsync(LabFolder folder, CancellationToken cancellationToken)
    {
        if (folder.Exists)
        {
            folder.EnsureNotRunning();
            await folder.Registry.SettleAsync(cancellationToken).ConfigureAwait(false);
            await new LabPostgres(folder).WipeAsync(cancellationToken).ConfigureAwait(false);
        }

        await folder.WipeAsync(cancellationToken).ConfigureAwait(false);
        await Console.Error.WriteLineAsync($"{folder.Path}: the lab is gone").ConfigureAwait(false);
    }

    private static async Task<int> GuardAsync(Func<Task> command)
    {
        try
        {
            await command().ConfigureAwait(false);
            return 0;
        }
        catch (EngineException exception)
        {
            await Console.Error.WriteLineAsync(exception.ToText()).ConfigureAwait(false);
            return 1;
        }
    }
}
