using System.Globalization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>The gates of recoveries, before a restore outside of a plan that writes over something that lives.</summary>
public sealed class RestoreGate(NpgsqlDataSource catalog, ApprovalCatalog gates, ProtectedEstate estate, TimeProvider time) : IRestoreGate
{
    private const string PlaceChanged = "restore-place-changed";
    private const string PlanAgain = "Plan the restore again: it then ends the open backups of whatever lives there, and none begins beside it. Nothing was changed.";

    private static readonly TimeSpan s_longestEnd = TimeSpan.FromMinutes(1);

    /// <summary>As the product's own plans have it.</summary>
    private PlanGate Rule => new(ProtectedEstate.RestoreRisk, estate.RestoreApprovals);

    /// <inheritdoc/>
    public async Task RequireApproversAsync(RestorePlan plan, string requester, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var there = await gates.CountApproversAsync(requester, cancellationToken);
        if (there >= estate.RestoreApprovals || await IsDeclaredAsync(plan.Source, cancellationToken))
        {
            return;
        }

        throw new EngineException("approvers-missing", ErrorKind.Denied,
            $"this restore writes over what lives in {plan.Target} and needs {Counted.Of(estate.RestoreApprovals, "approval")} by people other than {requester}; there is {(there == 0 ? "nobody" : $"only {there}")}",
            "Add somebody with: drconsole user add NAME --role Approver; or, where one person runs all of this alone, say so with RestoreApprovals 0 in the configuration. Nothing was changed.");
    }

    /// <inheritdoc/>
    public async Task RequireAsync(RunContext context, RestorePlan plan, bool hasBegun)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(plan);
        var claimed = await ClaimedAsync(context, plan, hasBegun);
        if (!hasBegun)
        {
            await RequireApartAsync(context, plan, claimed);
        }

        var found = await ApprovalGates.PassAsync(context, new GateSubject(null, plan.Hash, $"the restore over {plan.Target}{Lives(claimed, plan)}", Rule), hasBegun);
        if (found.Why is { } why)
        {
            throw new RunWaitsException(found.Gate.State == GateState.Open ? Waits(found.Gate, why) : why);
        }

        if (!hasBegun)
        {
            // Another may have gone through its own gate at the same moment. Each is to be seen by now before it looks for the other, so that both never go on.
            await RequireApartAsync(context, plan, claimed);
            await SourceClaims.EndBackupsAsync(context, claimed, s_longestEnd, time);
        }

        if (found.Gate.Needed == 0)
        {
            context.Warn("approval", "nobody but the one who asked has approved this: RestoreApprovals is 0 in the configuration");
        }
    }

    /// <summary>
    /// The source, unless the restore goes to another place, and those whose places it writes over. It was asked for hours ago, perhaps:
    /// that has to be so still, since nobody would know of a claim that is made now.
    /// </summary>
    private async Task<IReadOnlyList<string>> ClaimedAsync(RunContext context, RestorePlan plan, bool hasBegun)
    {
        var request = RestoreRequest.Of(context.Run);
        if (!hasBegun)
        {
            var source = estate.Sources.FirstOrDefault(one => one.Name == plan.Source);
            if (request.IsElsewhere && !await RestorePlaces.IsElsewhereAsync(source, RestoreTarget.Parse(plan.Target, "/"), context.Cancellation))
            {
                throw new EngineException(PlaceChanged, ErrorKind.Conflict,
                    $"{plan.Target} was another place than that of {plan.Source} when this restore was asked for, and is not any more, or nobody can tell", PlanAgain);
            }

            var others = await OverwrittenSources.FindAsync(estate.Sources, plan, time, context.Cancellation);
            if (others.Except(request.Overwrites).ToArray() is { Length: > 0 } joined)
            {
                throw new EngineException(PlaceChanged, ErrorKind.Conflict,
                    $"{plan.Target} is the place of {string.Join(", ", joined)} too, which it was not when this restore was asked for, or nobody can tell", PlanAgain);
            }
        }

        return request.IsElsewhere ? request.Overwrites : [plan.Source, .. request.Overwrites];
    }

    private async Task RequireApartAsync(RunContext context, RestorePlan plan, IReadOnlyList<string> claimed)
    {
        if (await SourceClaims.RestoreAtWorkAsync(catalog, claimed, context.Cancellation, context.Run.Id) is { } restore)
        {
            throw new EngineException("restore-at-work", ErrorKind.Conflict, $"{restore.Run} writes over {restore.Source} at this moment", "Wait for its end or end it, then plan the restore again. Nothing was changed.");
        }

        // Two that go to places of no source claim none: the places themselves are compared.
        foreach (var (run, request) in await SourceClaims.RestoresAtWorkAsync(catalog, context.Run.Id, context.Cancellation))
        {
            var other = RestoreRequest.Of(request).Plan;
            if (await OverwrittenSources.MeetAsync(plan, other, context.Cancellation))
            {
                throw new EngineException("restore-at-work", ErrorKind.Conflict, $"{run} writes over {other.Target} at this moment", "Wait for its end or end it, then plan the restore again. Nothing was changed.");
            }
        }

        if (await SourceClaims.RecoveryAtWorkAsync(catalog, claimed, context.Cancellation) is { } recovery)
        {
            throw new EngineException("recovery-at-work", ErrorKind.Conflict, $"{recovery.Run} recovers {recovery.Source} at this moment", "Wait for its end, then plan the restore again. Nothing was changed.");
        }
    }

    /// <summary>Who approves must know what else lives there.</summary>
    private static string Lives(IReadOnlyList<string> claimed, RestorePlan plan) =>
        claimed.Where(name => name != plan.Source).ToArray() is { Length: > 0 } others ? $", where {string.Join(", ", others)} {(others.Length == 1 ? "lives" : "live")}" : "";

    private static string Waits(ApprovalGate gate, string why) => string.Create(CultureInfo.InvariantCulture,
        $"{why}: {Counted.Of(gate.Needed, "person")} with the role Approver or Admin, not {gate.Requester}, until {gate.ApproveUntil.UtcDateTime:yyyy-MM-dd HH:mm} UTC, on the page /approvals/{gate.Id}");

    /// <summary>In a declared incident one approver may go alone, whoever asked.</summary>
    private async Task<bool> IsDeclaredAsync(string source, CancellationToken cancellationToken) => await catalog.Command(
        $"""
        SELECT 'yes' FROM incident i WHERE i.state = 'confirmed' AND {ApprovalCatalog.IsDisaster} AND $1 = ANY (i.sources)
          AND EXISTS (SELECT FROM app_user WHERE NOT disabled AND role IN ('Approver', 'Admin')) LIMIT 1
        """, source).FirstAsync(row => row.GetString(0), cancellationToken) is not null;
}
