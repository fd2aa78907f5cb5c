using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>What a recovery in place restores, from what, and what that loses.</summary>
public sealed record InPlaceRecovery(RecoveryTarget Target, RecoveryBasis Basis, LossWindow Loss, IReadOnlyList<string> Notes);

/// <summary>Makes the part of a recovery plan that a restore driver carries out: of volumes, virtual clusters and Redis.</summary>
public sealed class InPlacePlans(RestoreDrivers drivers, RestorePointAccess access, TimeProvider time)
{
    /// <summary>What a driver says of a restore point that it cannot put back in place, as of a cluster's without a snapshot of etcd.</summary>
    public const string UnfitCode = "restore-target-unsupported";

    /// <summary>Says before a restore point is looked for what keeps a source from being recovered in place.</summary>
    /// <exception cref="EngineException"><c>recovery-not-configured</c>.</exception>
    public static void Require(Source source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var (reason, hint) = source switch
        {
            { Volume: { Node: { } node } } => ($"its volume is on node {node}, and a plan restores on the console's machine only", "restore it by hand on that node, with dir:/path?inPlace=true"),
            { Volume: not null } or { VCluster.DataDirectory: not null } or { Redis.DataDirectory: not null, Recovery.Service: not null } => ("", ""),
            { VCluster: not null } => ("the directory of its store is not known here", "set VCluster:DataDirectory to its volume as this machine sees it, or restore its objects"),
            { Redis.DataDirectory: null } => ("no configuration names the data directory of its server", "set Redis:DataDirectory, and Recovery:Service; or stop the server and restore it by hand, into redisdata:/path"),
            _ => ("nothing says how its server is stopped and started", "set Recovery:Service of it: a systemd unit, a workload of Kubernetes, or commands"),
        };
        if (reason.Length > 0)
        {
            throw new EngineException("recovery-not-configured", ErrorKind.Unsupported, $"{source.Name} cannot be recovered in place: {reason}", hint);
        }
    }

    /// <summary>The driver's plan from a restore point; nothing is changed.</summary>
    /// <exception cref="EngineException">What the driver says that hinders it; <c>volume-unmounted</c>; <c>plan-invalid</c>: a parameter of the step is unknown.</exception>
    public async Task<InPlaceRecovery> MakeAsync(Source source, PlanTemplate template, ChosenPoint chosen, PlanRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(chosen);
        ArgumentNullException.ThrowIfNull(request);
        var point = chosen.Point;
        var (tier, repository) = await access.OpenAsync(point, null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            var options = InPlaceOptions.Of(source.Kind, template);
            var (place, target, directory) = source switch
            {
                { Volume: { } volume } => await OfVolumeAsync(source.Name, volume, manifest, options, request, cancellationToken),
                { Redis: { } redis } => OfRedis(redis),
                _ => await OfClusterAsync(source.VCluster!, repository, manifest, request, cancellationToken),
            };
            var service = ServiceOf(source, template);
            var plan = await drivers.For(target, manifest).PlanAsync(repository, manifest, target, cancellationToken);
            List<string> notes = [$"read from tier {tier.Name}"];
            if (chosen.ProvenAt is null)
            {
                notes.Add("no restore of this restore point has been proven yet");
            }

            notes.AddRange(source.Recovery.Checks.Where(check => !LivingTarget.Suits(source, check))
                .Select(check => $"check '{check.Name}' is not asked: it asks a database server, and {source.Name} is none"));
            if (source.Recovery.Service is not null && service is null)
            {
                notes.Add($"the service that is declared for {source.Name} is not stopped and started by the plan: stop what writes there before");
            }

            return new InPlaceRecovery(
                LivingTarget.Of(source) with { DataDirectory = directory, Service = service, InPlace = new PlannedInPlace(place.ToText(), plan) },
                new RecoveryBasis(point.Id, point.CreatedAt, LogicalRestore.HashOf(manifest), null, false, chosen.ProvenAt),
                new LossWindow(point.CreatedAt, request.FirstEvidence, "the restore point's own time: what changed after it is in none"), notes);
        }
    }

    /// <summary>What the plan stops before and starts after; null where it does neither.</summary>
    private static ServiceSettings? ServiceOf(Source source, PlanTemplate template)
    {
        var stops = template.Steps.Any(step => step.Action == StopDatabaseService.ActionName) && template.Steps.Any(step => step.Action == RestartServices.ActionName);
        return stops ? source.Recovery.Service
            : source.Redis is null ? null
            : throw new EngineException("plan-invalid", ErrorKind.Input, $"plan {template.Name} does not stop and start a Redis, whose files cannot be exchanged while it runs",
                $"save a version with {StopDatabaseService.ActionName} before and {RestartServices.ActionName} after {RestoreInPlace.ActionName}");
    }

    private static (RestoreTarget Place, RestoreTarget Target, string Directory) OfRedis(RedisSettings settings)
    {
        var place = new RedisDirectoryTarget(
            settings.DataDirectory!, settings.DumpFile ?? RedisDirectoryTarget.DefaultDump, settings.AppendDirectory ?? RedisDirectoryTarget.DefaultAppendDirectory,
            settings.AppendFile ?? RedisDirectoryTarget.DefaultAppend) { Exchange = true };
        return (place, place, settings.DataDirectory!);
    }

    private async Task<(RestoreTarget Place, RestoreTarget Target, string Directory)> OfVolumeAsync(
        string name, VolumeSettings settings, Manifest manifest, InPlaceOptions options, PlanRequest request, CancellationToken cancellationToken)
    {
        var path = settings.Path ?? await PathOfClaimAsync(name, settings, cancellationToken);
        VolumePreflight.CheckTarget(settings, path, VolumeFacts.Of(manifest));
        var place = new DirectoryTarget(path) { InPlace = true };
        return (place, place with { Delete = options.Delete, Verify = options.Verify && !request.IsSketch, Exchange = true }, path);
    }

    /// <summary>A mount that is there while a Pod runs is gone when the plan has stopped what uses the volume.</summary>
    private async Task<string> PathOfClaimAsync(string name, VolumeSettings settings, CancellationToken cancellationToken)
    {
        var place = await ClaimPlace.FindAsync(settings, time, cancellationToken);
        return place.Pod is null ? place.Path : throw new EngineException("recovery-not-configured", ErrorKind.Unsupported,
            $"{name} cannot be recovered in place by a plan: its volume {place.Volume} is mounted here only while Pod {place.Pod} runs",
            $"restore it by hand while the Pod runs and its application is quiet, with dir:{place.Path}?inPlace=true");
    }

    private static async Task<(RestoreTarget Place, RestoreTarget Target, string Directory)> OfClusterAsync(
        VClusterSettings settings, BackupRepository repository, Manifest manifest, PlanRequest request, CancellationToken cancellationToken)
    {
        var name = settings.Name ?? (await ClusterInventory.ReadAsync(repository, manifest, cancellationToken)).Cluster;
        var place = new VClusterTarget(settings.Namespace, name, settings.Kubeconfig, settings.Server, settings.DataDirectory, new RestoreSelection());
        return (place, place with { IsSketch = request.IsSketch }, settings.DataDirectory!);
    }
}

/// <summary>What a plan's author tells the step that restores in place.</summary>
/// <param name="Delete">Of a volume: take away what the restore point has not; it is kept aside.</param>
/// <param name="Verify">Of a volume: compare contents; else a file of the same size and time counts as right.</param>
internal sealed record InPlaceOptions(bool Delete, bool Verify)
{
    public static InPlaceOptions Of(SourceKind kind, PlanTemplate template)
    {
        var steps = template.Steps.Where(step => step.Action == RestoreInPlace.ActionName).ToList();
        if (steps is not [var step])
        {
            throw new EngineException("plan-invalid", ErrorKind.Input,
                $"plan {template.Name} has {Counted.Of(steps.Count, $"step")} of {RestoreInPlace.ActionName}", $"a plan for a {template.Kind} has exactly one; save a version that has");
        }

        // A plan for parts of several kinds says to one step what is for the volumes among them.
        string[] known = kind == SourceKind.Volume || template.Covers == PlanCover.Set ? ["delete", "verify"] : [];
        var parameters = step.Parameters ?? new Dictionary<string, string>();
        var unknown = parameters.Where(pair => !known.Contains(pair.Key) || pair.Value is not ("true" or "false")).Select(pair => $"{pair.Key} = {pair.Value}").ToList();
        return unknown.Count == 0
            ? new InPlaceOptions(parameters.GetValueOrDefault("delete") == "true", parameters.GetValueOrDefault("verify") == "true")
            : throw new EngineException("plan-invalid", ErrorKind.Input, $"step {step.Name} of plan {template.Name} does not know {string.Join(", ", unknown)}",
                known.Length == 0 ? $"{RestoreInPlace.ActionName} of a {template.Kind} takes no parameters" : $"known are {string.Join(" and ", known)}, each true or false");
    }
}
