using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Etcdserverpb;
using Google.Protobuf;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Restores etcd's snapshot as a recovery in place does, into a scratch etcd, and looks whether an API server over it has the objects
/// of the restore point with their identity. What a store leads out of its cluster is taken out of it before that server starts.
/// </summary>
internal sealed class EtcdProof(ProofWork work)
{
    private const string Services = "/registry/apiregistration.k8s.io/apiservices/";
    private const string Definitions = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

    /// <summary>Any will do: it is written into the store by the same call, and the scratch etcd has one member.</summary>
    private const string Member = "default";

    private const string Peer = "http://127.0.0.1:2380";

    /// <summary>Restores and looks.</summary>
    /// <param name="folder">The scratch folder.</param>
    /// <param name="options">How scratch clusters run; this one gets a folder of its own.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null where the restore point has no snapshot.</returns>
    public async Task<StepOutcome?> RunAsync(ScratchFolder folder, KubernetesClusterOptions options, CancellationToken cancellationToken)
    {
        var inventory = await ClusterInventory.ReadAsync(work.Repository, work.Manifest, cancellationToken);
        if (inventory.Etcd is not { } facts)
        {
            return null;
        }

        var isOpened = false;
        KubernetesCluster? cluster = null;
        cluster = new KubernetesCluster(
            options with
            {
                Name = options.Name + "-etcd",
                Folder = folder.FileOf("restored"),
                OnStore = async token =>
                {
                    isOpened = true;
                    await CloseAsync(new EtcdSettings(new Uri(cluster!.EtcdUrl), cluster.Keys.Authority, cluster.Keys.AdminCertificate, cluster.Keys.AdminKey), token);
                },
            },
            work.Registry, work.Time);
        await using (cluster)
        {
            work.Log?.Invoke("restorability", "restoring etcd's snapshot into a scratch etcd");
            LocalFolder.CreatePassage(folder.FileOf("restored"));
            await UnpackAsync(folder, facts, cluster.EtcdData, cancellationToken);
            try
            {
                await cluster.StartAsync(cancellationToken);
            }
            catch (EngineException fault) when (fault.Code == "server-start-failed")
            {
                return isOpened
                    ? StepOutcome.CannotProve($"no API server starts over etcd's snapshot, of Kubernetes {inventory.KubernetesVersion}: {fault.Message}")
                    : StepOutcome.Failed($"etcd does not start with its snapshot: {fault.Message}", [VClusterArtifacts.Etcd]);
            }

            return await LookAsync(cluster, inventory, cancellationToken);
        }
    }

    /// <summary>What both proofs found: the worse of the two, in the words of both.</summary>
    internal static StepOutcome Both(StepOutcome? etcd, StepOutcome objects)
    {
        if (etcd is null)
        {
            return objects;
        }

        StepOutcome[] both = [etcd, objects];
        var worst = both.Any(one => one.Status == ValidationStepStatus.Failed) ? ValidationStepStatus.Failed : both.All(one => one.Status == ValidationStepStatus.Passed) ? ValidationStepStatus.Passed : ValidationStepStatus.NotRun;
        return objects with
        {
            Status = worst,
            NotProvable = worst == ValidationStepStatus.NotRun,
            Reason = $"{etcd.Reason}; {objects.Reason}",
            Damaged = [.. etcd.Damaged, .. objects.Damaged],
        };
    }

    /// <summary>What the identities say. Another version of Kubernetes may not read all of a store: then what is missing shows nothing of it.</summary>
    internal static StepOutcome Judge(IdentityCheck found, string stored, string here)
    {
        var warnings = string.Concat(found.Warnings().Select(warning => "; " + warning));
        if (found is { IsAsStored: true, Looked: > 0 })
        {
            var starts = string.Create(CultureInfo.InvariantCulture, $"etcd's snapshot starts, with {found.Looked - found.Missing.Count} of {found.Looked} objects as they were captured{warnings}");
            // What could not be listed may be all that a recovery is for.
            return found.Unlisted.Count == 0 ? StepOutcome.Passed(starts) : StepOutcome.CannotProve(starts);
        }

        var text = found.Looked == 0 ? $"nothing in etcd's snapshot could be listed{warnings}" : $"etcd's snapshot starts, but {found.MissingText}";
        return MinorOf(stored) == MinorOf(here)
            ? StepOutcome.Failed(text, found.Missing.Select(key => key.ToString()))
            : StepOutcome.CannotProve($"{text}; it is of Kubernetes {stored}, and this machine has {here}");
    }

    /// <summary>A definition without its conversion webhook; null where it has none.</summary>
    internal static byte[]? WithoutConversion(ReadOnlySpan<byte> definition)
    {
        try
        {
            if (JsonNode.Parse(definition) is not JsonObject value || value["spec"] is not JsonObject spec || spec["conversion"]?["strategy"]?.ToString() != "Webhook")
            {
                return null;
            }

            spec["conversion"] = new JsonObject { ["strategy"] = "None" };
            return JsonSerializer.SerializeToUtf8Bytes(value);
        }
        catch (JsonException)
        {
            throw new EngineException("etcd-snapshot-unknown", ErrorKind.Unsupported, "the definitions in etcd's snapshot are not written as JSON", "its conversion webhooks cannot be switched off, so it is not started here");
        }
    }

    private static string MinorOf(string version) => string.Join('.', version.Split('.').Take(2));

    private async Task UnpackAsync(ScratchFolder folder, EtcdFacts facts, string directory, CancellationToken cancellationToken)
    {
        var snapshot = folder.FileOf("etcd.snapshot");
        try
        {
            await EtcdTool.WriteSnapshotAsync(work.Repository, work.Manifest, facts, snapshot, cancellationToken);
            await EtcdTool.RestoreAsync(snapshot, directory, Member, Peer, work.Registry, cancellationToken);
        }
        finally
        {
            File.Delete(snapshot);
        }

        var given = await ToolProcess.RunAsync(
            new ToolCommand("chown", ["-R", string.Create(CultureInfo.InvariantCulture, $"{folder.User.UserId}:{folder.User.GroupId}"), directory]), work.Registry, cancellationToken);
        if (given.ExitCode != 0)
        {
            throw new EngineException("scratch-not-apart", ErrorKind.Unavailable, $"the restored store cannot be given to the scratch user: {given.ErrorTail}", "look at the rights of the scratch folder");
        }
    }

    /// <summary>
    /// Takes out of the store what an API server would ask others for: API services (its own come back by themselves) and conversion
    /// webhooks. Admission webhooks are off by its arguments.
    /// </summary>
    private static async Task CloseAsync(EtcdSettings settings, CancellationToken cancellationToken)
    {
        using var channel = EtcdChannel.Open(settings);
        var store = new KV.KVClient(channel);
        await store.DeleteRangeAsync(new DeleteRangeRequest { Key = Key(Services), RangeEnd = Key(Behind(Services)) }, cancellationToken: cancellationToken);
        var definitions = await store.RangeAsync(new RangeRequest { Key = Key(Definitions), RangeEnd = Key(Behind(Definitions)) }, cancellationToken: cancellationToken);
        foreach (var one in definitions.Kvs)
        {
            if (WithoutConversion(one.Value.Span) is { } closed)
            {
                await store.PutAsync(new PutRequest { Key = one.Key, Value = ByteString.CopyFrom(closed) }, cancellationToken: cancellationToken);
            }
        }

        static ByteString Key(string text) => ByteString.CopyFromUtf8(text);

        // The first key that does not begin with it.
        static string Behind(string prefix) => prefix[..^1] + (char)(prefix[^1] + 1);
    }

    private async Task<StepOutcome> LookAsync(KubernetesCluster cluster, ClusterInventory inventory, CancellationToken cancellationToken)
    {
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(cluster.Kubeconfig), new KubeBudget(8), work.Time);
        var index = await new StoredObjects(work.Repository, work.Manifest).ReadIndexAsync(cancellationToken);
        using var now = await ClusterCapture.ReadAsync(api, null, null, cancellationToken);
        // API services were taken out.
        var found = IdentityCheck.Of(
            [.. index.Where(one => one.Key is not { Kind: "APIService", Group: "apiregistration.k8s.io" })], now.Kinds.SelectMany(kind => kind.Objects).ToDictionary(one => one.Key, one => one.Uid), now.Unlisted);
        return Judge(found, inventory.KubernetesVersion, now.KubernetesVersion);
    }
}
