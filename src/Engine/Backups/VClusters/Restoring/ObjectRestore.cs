using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>What became of one step of a restore.</summary>
/// <param name="Position">Its place in the plan.</param>
/// <param name="Uid">The identity that the object has in the target; empty where the server did not take it.</param>
public sealed record AppliedObject(int Position, string Uid)
{
    /// <summary>By what it is known again as the restore left it; null in notes of older builds.</summary>
    public string? Digest { get; init; }

    /// <summary>True where nothing was done: whoever looks for what could not be noted goes on behind it.</summary>
    public bool IsRefused => Uid.Length == 0;
}

/// <summary>Keeps, durably, what a restore has done, so that it can be gone on with and undone.</summary>
public interface IObjectJournal
{
    /// <summary>What was noted so far.</summary>
    Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Notes that the object of a position is as planned, or that the server did not take it.</summary>
    Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken);

    /// <summary>Notes that the object of a position is again as it was.</summary>
    Task ForgetAsync(int position, CancellationToken cancellationToken);
}

/// <summary>What a restore of objects ended with.</summary>
/// <param name="Created">Objects that were created.</param>
/// <param name="Changed">Objects that were changed.</param>
/// <param name="Failed">Objects that the server did not take after all, each with the reason.</param>
/// <param name="Warnings">Owners that are not there, and the like.</param>
public sealed record ObjectRestoreResult(int Created, int Changed, IReadOnlyList<string> Failed, IReadOnlyList<string> Warnings);

/// <summary>
/// Executes a plan of objects in its order. Each effect is noted in a journal after it took place; done again after a crash it
/// finds by the object itself whether an effect without a note took place. An object that is no longer as the plan saw it stops it. A
/// server that is away or busy is waited for around each object.
/// </summary>
public sealed partial class ObjectRestore(KubeApi api, IObjectJournal journal, TimeProvider time)
{
    /// <summary>So often a request is made again that met another one at the same object.</summary>
    private const int Attempts = 20;

    /// <summary>A server takes no longer name of who writes.</summary>
    private const int LongestManager = 128;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(100);
    private readonly ServerPatience _server = new(time);
    private readonly Dictionary<KubeObjectKey, string> _uids = [];
    private readonly List<string> _failed = [];
    private readonly List<string> _warnings = [];
    private KubeCatalogue _catalogue = null!;

    /// <summary>
    /// Names the run: the target notes by it who made an object, and one that a stranger made is told from it although both are equal.
    /// Null where nothing else is in the target, or writes to it.
    /// </summary>
    public string? Operation { get; init; }

    /// <summary>Called once, when claims are there and nothing is yet that may use them; also by an attempt that finds all of it done.</summary>
    public Func<CancellationToken, Task> BeforeUse { get; init; } = _ => Task.CompletedTask;

    private string? Manager => Operation is null ? null : $"drconsole-{Operation}" is { Length: <= LongestManager } name ? name : $"drconsole-{Operation}"[..LongestManager];

    /// <summary>Executes the plan.</summary>
    /// <param name="plan">As it was approved; its documents are in it.</param>
    /// <param name="approvedHash">What a person approved.</param>
    /// <param name="progress">Told objects.</param>
    /// <param name="cancellationToken">Ends it between two objects; what was done is in the journal.</param>
    /// <exception cref="EngineException">
    /// <c>plan-changed</c>; <c>target-drifted</c>; <c>api-unreachable</c> or <c>api-refused</c> where the server stays away or broken. What
    /// was done before stays, and can be undone.
    /// </exception>
    public async Task<ObjectRestoreResult> ExecuteAsync(ObjectRestorePlan plan, string approvedHash, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        RequireHash(plan, approvedHash);
        var noted = (await journal.ReadAsync(cancellationToken).ConfigureAwait(false)).ToDictionary(one => one.Position, one => one.Uid);
        _catalogue = await DiscoverAsync(cancellationToken).ConfigureAwait(false);
        var total = plan.Objects.Count(one => one.IsEffect);
        int done = 0, created = 0, changed = 0;
        var (definitions, isLate, mayUse) = (false, false, false);
        for (var at = 0; at < plan.Objects.Count; at++)
        {
            var one = plan.Objects[at];
            if (!one.IsEffect)
            {
                continue;
            }

            if (definitions && one.Target.Kind != "CustomResourceDefinition")
            {
                await WaitServedAsync(plan, cancellationToken).ConfigureAwait(false);
                definitions = false;
            }

            if (!mayUse && RestoreOrder.MayUseClaims(one.Target))
            {
                await BeforeUse(cancellationToken).ConfigureAwait(false);
                mayUse = true;
            }

            if (!isLate && RestoreOrder.IsOfOtherServers(one.Target))
            {
                // From here on the server may ask others about each write, who need not run yet.
                await PatchOwnersAsync(plan.Objects.Where(other => !HasLateOwner(other)), cancellationToken).ConfigureAwait(false);
                isLate = true;
            }

            if (!noted.TryGetValue(at, out var uid) || uid.Length == 0)
            {
                (uid, var digest) = await AskAsync(one, () => ApplyAsync(one, cancellationToken), cancellationToken).ConfigureAwait(false);
                await journal.NoteAsync(new AppliedObject(at, uid) { Digest = digest }, cancellationToken).ConfigureAwait(false);
            }

            if (uid.Length > 0)
            {
                _uids[one.Target] = uid;
                created += one.Action == ObjectAction.Create ? 1 : 0;
                changed += one.Action == ObjectAction.Change ? 1 : 0;
            }

            definitions |= one.Target.Kind == "CustomResourceDefinition";
            progress?.Report(new TransferProgress("restore", ++done, total, 0, 0));
        }

        if (!mayUse)
        {
            await BeforeUse(cancellationToken).ConfigureAwait(false);
        }

        await PatchOwnersAsync(plan.Objects, cancellationToken).ConfigureAwait(false);
        return new ObjectRestoreResult(created, changed, _failed, _warnings);
    }

    internal static void RequireHash(ObjectRestorePlan plan, string approvedHash)
    {
        if (!string.Equals(plan.Hash, approvedHash, StringComparison.Ordinal))
        {
            throw new EngineException(
                "target-drifted", ErrorKind.Conflict, "the target or the restore point is no longer what the plan was made for", "make the plan again, look at it and confirm it as it is now");
        }
    }

    private Task<KubeCatalogue> DiscoverAsync(CancellationToken cancellationToken) =>
        _server.AskAsync(() => KubeDiscovery.DiscoverAsync(api, cancellationToken, "get", "create", "delete"), cancellationToken);

    /// <summary>Why the API group of an object could not be asked; null where it could.</summary>
    private string? ProblemOf(PlannedObject one)
    {
        var group = KubeObjectKey.GroupOf(one.Document!["apiVersion"]!.GetValue<string>());
        return _catalogue.Problems.Where(problem => KubeObjectKey.GroupOf(problem.Key) == group).Select(problem => problem.Value).FirstOrDefault();
    }

    /// <returns>Its identity, empty where nothing was done; and what it is known by.</returns>
    private async Task<(string Uid, string? Digest)> ApplyAsync(PlannedObject one, CancellationToken cancellationToken)
    {
        if (_catalogue.Serving(one.Document!["apiVersion"]!.GetValue<string>(), one.Target.Kind) is not { } resource)
        {
            if (ProblemOf(one) is { } problem)
            {
                // The plan found it served: its server is away for now, or the API server has just begun.
                _catalogue = await DiscoverAsync(cancellationToken).ConfigureAwait(false);
                throw new EngineException("api-group-away", ErrorKind.Unavailable, $"restoring {one.Target}: its API group does not answer: {problem}", "look at the server that serves it") { IsTransient = true };
            }

            _failed.Add($"{one.Target}: the target does not serve its kind");
            return ("", null);
        }

        var path = resource.PathOf(one.Target.Namespace, one.Target.Name);
        var answer = one.Action == ObjectAction.Create
            ? await CreateAsync(one, resource, cancellationToken).ConfigureAwait(false)
            : await ChangeAsync(one, path, cancellationToken).ConfigureAwait(false);
        RequireServer(answer, $"restoring {one.Target}");
        if (answer.IsSuccess)
        {
            return (UidOf(answer.Body!), ObjectOwners.SteadyDigestOf(ObjectBodies.AsFound(answer.Body!, one.Document!)));
        }

        if (answer.Reason == "AlreadyExists")
        {
            return (await TakeOverAsync(one, path, cancellationToken).ConfigureAwait(false), null);
        }

        if (answer.Status == 409)
        {
            throw Drifted(one);
        }

        _failed.Add($"{one.Target}: {answer.Message}");
        return ("", null);
    }

    /// <summary>
    /// A namespace or definition that was made a moment ago is not everywhere in the server at once; and an object that is counted into a
    /// quota is in conflict with others that are at the same time.
    /// </summary>
    private async Task<KubeAnswer> CreateAsync(PlannedObject one, KubeResource resource, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.CreateAsync(resource.PathOf(one.Target.Namespace), ObjectBodies.ForCreate(one.Document!), isDryRun: false, cancellationToken, Manager).ConfigureAwait(false);
            if ((answer.Status != 404 && answer is not { Status: 409, Reason: not "AlreadyExists" }) || attempt == Attempts)
            {
                return answer;
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Between reading and writing a controller may have written its status, and whatever else is not compared: then it is read again.</summary>
    private async Task<KubeAnswer> ChangeAsync(PlannedObject one, string path, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false) ?? throw Drifted(one);
            var digest = ObjectRestorePlan.DigestOf(ObjectBodies.AsFound(live, one.Document!));
            if (digest != one.LiveDigest && !IsAsChanged(one, digest) && !IsLastOurs(live))
            {
                throw Drifted(one);
            }

            var answer = await api.ReplaceAsync(path, ObjectBodies.ForChange(one.Document!, live), isDryRun: false, cancellationToken, Manager).ConfigureAwait(false);
            if (answer.Status != 409 || attempt == Attempts)
            {
                return answer;
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>True for the digest of what a change makes of an object, before its owners are set or after.</summary>
    private static bool IsAsChanged(PlannedObject one, string digest) =>
        digest == one.Digest || (one.Live is { } before && digest == ObjectRestorePlan.DigestOf(ObjectOwners.TakeOver(one.Document!.DeepClone().AsObject(), before)));

    /// <summary>Something is there that was not: an attempt of ours that died before its note, a controller's default, or a stranger.</summary>
    /// <returns>Its identity; empty where somebody else made it as it was wanted: it stays theirs, whatever becomes of the restore.</returns>
    private async Task<string> TakeOverAsync(PlannedObject one, string path, CancellationToken cancellationToken)
    {
        var live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false);
        if (live is null)
        {
            throw Drifted(one);
        }

        if (IsOurs(one.Document!, live))
        {
            return UidOf(live);
        }

        if (ObjectBodies.IsAsCreated(one.Document!, live))
        {
            _warnings.Add($"{one.Target}: somebody else made it meanwhile, as it was wanted; it stays where the restore is taken back");
            return "";
        }

        // The service account "default" is made with its namespace: what was stored for it is merged into that.
        if (one.Target is { Kind: "ServiceAccount", Group: "", Name: "default" })
        {
            return await MergeAsync(one, path, live, cancellationToken).ConfigureAwait(false);
        }

        throw Drifted(one);
    }

    /// <summary>Its controllers note a token in it at the same time: what they write in between is read again.</summary>
    private async Task<string> MergeAsync(PlannedObject one, string path, JsonObject live, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await api.ReplaceAsync(path, ObjectBodies.ForChange(one.Document!, live), isDryRun: false, cancellationToken, Manager).ConfigureAwait(false);
            if (answer.IsSuccess)
            {
                return UidOf(live);
            }

            RequireServer(answer, $"restoring {one.Target}");
            if (answer.Status != 409 || attempt == Attempts)
            {
                throw Drifted(one);
            }

            live = await api.FindAsync(path, cancellationToken).ConfigureAwait(false) ?? throw Drifted(one);
        }
    }

    private static EngineException Drifted(PlannedObject one) => new(
        "target-drifted", ErrorKind.Conflict, $"{one.Target} is no longer as the plan saw it", "what was done so far can be undone; make the plan again, look at it and confirm it as it is now");

    private async Task WaitServedAsync(ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        var wanted = plan.Objects.Where(one => one is { IsEffect: true, Target.Kind: "CustomResourceDefinition" })
            .SelectMany(one => (one.Document!["spec"]?["versions"] as JsonArray ?? []).Where(version => version?["served"]?.GetValue<bool>() == true)
                .Select(version => (Group: one.Document!["spec"]!["group"]!.GetValue<string>(), Version: version!["name"]!.GetValue<string>(), Kind: one.Document!["spec"]!["names"]!["kind"]!.GetValue<string>())))
            .ToList();
        using var patience = new CancellationTokenSource(s_patience, time);
        while (true)
        {
            _catalogue = await DiscoverAsync(cancellationToken).ConfigureAwait(false);
            if (patience.IsCancellationRequested || wanted.All(one => _catalogue.Served.Any(kind => kind.Group == one.Group && kind.Version == one.Version && kind.Kind == one.Kind)))
            {
                return;
            }

            await Task.Delay(s_glance, time, cancellationToken).ConfigureAwait(false);
        }
    }
}
