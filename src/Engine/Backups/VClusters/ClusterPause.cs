using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Stops a virtual cluster and starts it again, as vCluster's own pause does: the annotations say how many replicas there
/// were before the scale takes effect, so that whoever finds them can resume it, also after a crash of everything here.
/// </summary>
public sealed class ClusterPause(VClusterAccess access, TimeProvider time)
{
    /// <summary>On the workload: whose pause it is. A pause that is not ours is never taken back.</summary>
    public const string OwnerAnnotation = "drconsole.hexabase.io/paused-for";

    /// <summary>On the workload: when our pause began. Where vCluster's own date is another one, somebody has resumed the cluster and paused it again since.</summary>
    public const string DateAnnotation = "drconsole.hexabase.io/paused-at";

    private const string Paused = "loft.sh/paused";
    private const string Replicas = "loft.sh/paused-replicas";
    private const string Date = "loft.sh/paused-date";
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly KubeWorkload _workload = new(access.Host, access.Workload, access.Namespace, access.Name);

    /// <summary>
    /// Stops it and returns when nothing of it runs: a Pod that is ending is not ready any more, and writes all the same. False
    /// where somebody else has paused it already: it is left to them, and may not have stopped yet.
    /// </summary>
    /// <exception cref="EngineException"><c>pause-timeout</c>: it was started again; <c>api-forbidden</c> where its Pods may not be listed: it was not stopped.</exception>
    public async Task<bool> PauseAsync(string purpose, CancellationToken cancellationToken)
    {
        var found = await _workload.ReadAsync(cancellationToken).ConfigureAwait(false);
        var annotations = found["metadata"]?["annotations"] as JsonObject ?? [];
        var isPaused = IsPaused(annotations);
        if (isPaused && !IsPausedFor(annotations, purpose))
        {
            return false;
        }

        // Before it is stopped: who may not see its Pods would never know when they are gone.
        await _workload.PodsAsync(found, cancellationToken).ConfigureAwait(false);
        if (!isPaused)
        {
            // Whatever owner an earlier pause has left: without the number of replicas nobody could start it again.
            var (replicas, date) = (KubeWorkload.ReplicasOf(found), time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            await _workload.PatchAsync(new JsonObject
            {
                ["metadata"] = new JsonObject
                {
                    ["annotations"] = new JsonObject
                    {
                        [Paused] = "true",
                        [Replicas] = replicas.ToString(CultureInfo.InvariantCulture),
                        [Date] = date,
                        [OwnerAnnotation] = purpose,
                        [DateAnnotation] = date,
                    },
                },
            }, cancellationToken).ConfigureAwait(false);
        }

        await _workload.ScaleAsync(0, cancellationToken).ConfigureAwait(false);
        if (!await WaitStoppedAsync(cancellationToken).ConfigureAwait(false))
        {
            await ResumePatientlyAsync(purpose).ConfigureAwait(false);
            throw NotStopped("it was started again; look at its pods on the host");
        }

        return true;
    }

    /// <summary>
    /// True where a pause of this purpose has taken effect: it is stopped, or about to be. One whose process died before the scale, or
    /// in the middle of a resume, has its annotations and runs.
    /// </summary>
    public async Task<bool> IsHeldAsync(string purpose, CancellationToken cancellationToken)
    {
        var found = await _workload.ReadAsync(cancellationToken).ConfigureAwait(false);
        var annotations = found["metadata"]?["annotations"] as JsonObject ?? [];
        return IsPausedFor(annotations, purpose) && KubeWorkload.ReplicasOf(found) == 0;
    }

    /// <summary>Waits until nothing of it runs.</summary>
    /// <returns>False where something still did after three minutes.</returns>
    public Task<bool> WaitStoppedAsync(CancellationToken cancellationToken) => WaitAsync(value => _workload.IsStoppedAsync(value, cancellationToken), cancellationToken);

    /// <summary>True where nothing of it runs now.</summary>
    public async Task<bool> IsStoppedAsync(CancellationToken cancellationToken) =>
        await _workload.IsStoppedAsync(await _workload.ReadAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    internal EngineException NotStopped(string hint) => new(
        "pause-timeout", ErrorKind.Unavailable, $"{access.Name} did not stop within {s_patience.TotalMinutes:0} minutes", hint) { IsTransient = true };

    /// <summary>
    /// Starts what a pause of this purpose stopped. Does nothing where there is none; done twice it is done once. Where somebody has
    /// taken the pause back and left its owner, or has paused it anew since, the number of replicas is theirs: only the owner goes.
    /// </summary>
    /// <returns>True where there was one.</returns>
    public async Task<bool> ResumeAsync(string? purpose, CancellationToken cancellationToken)
    {
        var found = await _workload.ReadAsync(cancellationToken).ConfigureAwait(false);
        var annotations = found["metadata"]?["annotations"] as JsonObject ?? [];
        if (annotations[OwnerAnnotation]?.GetValue<string>() is not { } owner || (purpose is not null && owner != purpose))
        {
            return false;
        }

        if (!IsPausedFor(annotations, owner))
        {
            await _workload.PatchAsync(
                new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [OwnerAnnotation] = null, [DateAnnotation] = null } } }, cancellationToken).ConfigureAwait(false);
            return false;
        }

        var replicas = int.TryParse(annotations[Replicas]?.GetValue<string>(), NumberStyles.None, CultureInfo.InvariantCulture, out var before) ? before : 1;
        await _workload.ScaleAsync(replicas, cancellationToken).ConfigureAwait(false);
        // The annotations go last: a crash in between is resumed again.
        await _workload.PatchAsync(new JsonObject
        {
            ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Paused] = null, [Replicas] = null, [Date] = null, [OwnerAnnotation] = null, [DateAnnotation] = null } },
        }, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>As <see cref="ResumeAsync"/>, for minutes where the host does not answer: a tenant's outage must not depend on one request. No cancel ends it.</summary>
    /// <exception cref="EngineException">What the host said last.</exception>
    public async Task<bool> ResumePatientlyAsync(string purpose)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await ResumeAsync(purpose, CancellationToken.None).ConfigureAwait(false);
            }
            catch (EngineException fault) when (fault.IsTransient && time.GetElapsedTime(began) < s_patience)
            {
                await Task.Delay(s_retry, time, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Waits until as many replicas are ready as are asked for.</summary>
    /// <returns>False where they were not within three minutes, or none are asked for: nobody makes that ready.</returns>
    public async Task<bool> WaitReadyAsync(CancellationToken cancellationToken)
    {
        var isWanted = true;
        return await WaitAsync(
            value =>
            {
                isWanted = KubeWorkload.ReplicasOf(value) > 0;
                return Task.FromResult(!isWanted || (KubeWorkload.ReadyOf(value) >= KubeWorkload.ReplicasOf(value) && KubeWorkload.IsObserved(value)));
            }, cancellationToken).ConfigureAwait(false) && isWanted;
    }

    /// <summary>True where it is to run: whoever had scaled it to nothing before a pause finds it so after it.</summary>
    public async Task<bool> IsWantedAsync(CancellationToken cancellationToken) => KubeWorkload.ReplicasOf(await _workload.ReadAsync(cancellationToken).ConfigureAwait(false)) > 0;

    private static bool IsPaused(JsonObject annotations) => annotations[Paused]?.GetValue<string>() == "true";

    /// <summary>True for a pause of this purpose. Pauses of older builds do not say when they began.</summary>
    private static bool IsPausedFor(JsonObject annotations, string purpose) =>
        IsPaused(annotations) && annotations[OwnerAnnotation]?.GetValue<string>() == purpose
        && (annotations[DateAnnotation]?.GetValue<string>() is not { } began || annotations[Date]?.GetValue<string>() == began);

    private async Task<bool> WaitAsync(Func<JsonObject, Task<bool>> isThere, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (!await isThere(await _workload.ReadAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false))
        {
            if (time.GetElapsedTime(began) > s_patience)
            {
                return false;
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }
}
