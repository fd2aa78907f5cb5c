using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>Where a workspace's keys stand.</summary>
/// <param name="Key">What was last seen; null before the first look.</param>
/// <param name="RotationDays">How often its classes ask to rotate; 0 for never.</param>
/// <param name="DueAt">When the next rotation is due, or null.</param>
public sealed record WorkspaceKeyStanding(string Workspace, WorkspaceKeyRow? Key, int RotationDays, DateTimeOffset? DueAt)
{
    /// <summary>Tiers that hold restore points of it and did not have these keys when they were looked at.</summary>
    public IReadOnlyList<string> Behind { get; init; } = [];

    /// <summary>Why this look failed, or null: what is known then is from an earlier one.</summary>
    public string? Fault { get; init; }
}

/// <summary>The door for work on whole workspaces: recovery sets, key rotation and shredding.</summary>
public sealed class WorkspaceRequests(
    RunRequests requests, WorkspaceCatalog workspaces, TierRepositories tiers, ProtectedEstate estate, TimeProvider time, ILogger<WorkspaceRequests> log)
{
    /// <summary>Asks to rotate a workspace's keys now.</summary>
    /// <exception cref="EngineException">Work on its keys is still open.</exception>
    public Task<Run> RotateAsync(string workspace, string actor, CancellationToken cancellationToken) =>
        requests.RequestAsync(RunKinds.Rotation, workspace, null, new RotationRequest(workspace), actor, null, cancellationToken);

    /// <summary>Asks to back up all sources of a workspace together.</summary>
    /// <exception cref="EngineException">No source belongs to it; or a set is still being taken: one at a time.</exception>
    public Task<Run> TakeSetAsync(string workspace, string actor, CancellationToken cancellationToken) =>
        requests.RequestAsync(RunKinds.RecoverySet, estate.WorkspaceNamed(workspace).Name, null, new SetRequest(workspace), actor, null, cancellationToken);

    /// <summary>Asks to make a workspace unreadable for ever.</summary>
    /// <param name="confirmed">The workspace's name, typed by the person.</param>
    /// <exception cref="EngineException">It is not confirmed, still has sources, holds or open runs; nothing is changed then.</exception>
    public async Task<Run> ShredAsync(string workspace, string confirmed, string actor, CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        if (confirmed != workspace)
        {
            problems.Add($"its name was not typed: '{workspace}'");
        }

        problems.AddRange(estate.Sources.Where(source => source.Workspace == workspace)
            .Select(source => $"the configuration still protects {source.Name} in it, which would begin a new repository"));
        problems.AddRange(await workspaces.NeedsOfAsync(workspace, cancellationToken));
        return problems.Count == 0
            ? await requests.RequestAsync(RunKinds.Shredding, workspace, null, new ShreddingRequest(workspace, confirmed), actor, null, cancellationToken)
            : throw new EngineException("shredding-refused", ErrorKind.Conflict,
                $"workspace {workspace} cannot be shredded:\n{string.Join('\n', problems.Select(problem => "  - " + problem))}", "Settle these first; nothing was changed.");
    }

    /// <summary>Where the keys of all workspaces stand, as they were last seen.</summary>
    public async Task<IReadOnlyList<WorkspaceKeyStanding>> StandingsAsync(CancellationToken cancellationToken)
    {
        var seen = (await workspaces.KeysAsync(cancellationToken)).ToDictionary(row => row.Workspace);
        var found = new List<WorkspaceKeyStanding>();
        foreach (var name in (await workspaces.LivingAsync(cancellationToken)).Union(seen.Keys).Order(StringComparer.Ordinal))
        {
            var days = RotationDaysOf(name);
            var key = seen.GetValueOrDefault(name);
            var holding = key is { ShreddedAt: null } ? await workspaces.TiersAsync(name, cancellationToken) : [];
            found.Add(new WorkspaceKeyStanding(name, key, days, days > 0 && key is { ShreddedAt: null } ? key.RotatedAt.AddDays(days) : null)
            {
                Behind = [.. holding.Where(tier => !key!.Tiers.Contains(tier)).Order(StringComparer.Ordinal)],
            });
        }

        return found;
    }

    /// <summary>
    /// Looks at the keys of every living workspace in its tiers and gives where all stand. Opens each repository, which costs a
    /// key derivation each.
    /// </summary>
    public async Task<IReadOnlyList<WorkspaceKeyStanding>> LookAsync(CancellationToken cancellationToken)
    {
        var faults = new Dictionary<string, string>();
        foreach (var workspace in await workspaces.LivingAsync(cancellationToken))
        {
            try
            {
                await LookAsync(workspace, cancellationToken);
            }
            catch (EngineException fault)
            {
                // One workspace's trouble must not hide the others; the age of what is known of it shows on the page.
                log.LogWarning("the keys of {Workspace} could not be looked at: {Reason}", workspace, fault.Message);
                faults[workspace] = fault.Message;
            }
        }

        return [.. (await StandingsAsync(cancellationToken)).Select(one => one with { Fault = faults.GetValueOrDefault(one.Workspace) })];
    }

    /// <summary>Looks at every living workspace's keys and asks for the rotations that are due.</summary>
    /// <returns>The runs that were asked for.</returns>
    public async Task<IReadOnlyList<Run>> RotateDueAsync(string actor, CancellationToken cancellationToken)
    {
        var asked = new List<Run>();
        foreach (var standing in (await LookAsync(cancellationToken)).Where(one => one.Fault is null && one.DueAt <= time.GetUtcNow()))
        {
            try
            {
                asked.Add(await RotateAsync(standing.Workspace, actor, cancellationToken));
            }
            catch (EngineException fault)
            {
                // One workspace's trouble must not keep the others' keys from being rotated; its age shows on the page.
                log.LogWarning("the keys of {Workspace} could not be rotated: {Reason}", standing.Workspace, fault.Message);
            }
        }

        return asked;
    }

    private async Task LookAsync(string workspace, CancellationToken cancellationToken)
    {
        await using var opened = await WorkspaceTiers.OpenAsync(tiers, workspace, isForDeletion: false, cancellationToken);
        var newest = opened.Repositories.MaxBy(one => one.Repository.Epoch);
        var slots = await tiers.KeySlotsAsync(newest.Tier, workspace, cancellationToken);
        // A tier that was away when the keys were rotated opens with older ones until its next copy.
        string[] current = [.. opened.Repositories.Where(one => one.Repository.Epoch == newest.Repository.Epoch).Select(one => one.Tier.Name)];
        await workspaces.SeeAsync(workspace, newest.Repository.Epoch, slots.Max(slot => slot.CreatedAt), current, cancellationToken);
    }

    /// <summary>The shortest interval that a class of the workspace's sources asks for.</summary>
    private int RotationDaysOf(string workspace) => estate.Sources.Where(source => source.Workspace == workspace)
        .Select(source => estate.ClassOf(source).RotationDays).Where(days => days > 0).DefaultIfEmpty(0).Min();
}
