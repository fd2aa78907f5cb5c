using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>
/// Who may leave a step out of what others approved, or say that it took effect. To try it again, to undo all or to leave all as it
/// is takes nothing from what was approved: anyone who may approve says that, who asked for the recovery too; and an operator ends
/// it, undone or not, so that nobody is stuck at night.
/// </summary>
public static class StepDecisions
{
    internal const string RefusedCode = "decision-refused";

    /// <summary>True for a choice that takes a person who could have approved the run, with their password anew.</summary>
    public static bool NeedsSecondPerson(StepChoice choice) => choice is StepChoice.Skip or StepChoice.MarkDone;

    /// <summary>One who may approve at this moment, and is not tied to whoever asked; but where the run went through its gate without a second person.</summary>
    /// <exception cref="EngineException"><c>decision-refused</c>.</exception>
    internal static async Task RequireSecondPersonAsync(NpgsqlTransaction transaction, RunId run, string actor, CancellationToken cancellationToken)
    {
        var mayApprove = await transaction.Command($"SELECT 'yes' FROM (SELECT $1::text AS person) v WHERE {ApprovalCatalog.MayApprove}", actor).FirstAsync(row => row.GetString(0), cancellationToken);
        if (mayApprove is null)
        {
            throw Refused($"{actor} is nobody who may approve");
        }

        var (requester, wentAlone) = (await transaction.Command(
            """
            SELECT requested_by, coalesce((SELECT needed = 0 OR is_break_glass FROM approval_gate WHERE run_id = r.id AND step IS NULL ORDER BY id DESC LIMIT 1), false)
            FROM run r WHERE id = $1
            """, run.Value).FirstAsync(row => Tuple.Create(row.GetString(0), row.GetBoolean(1)), cancellationToken))!;
        if (!wentAlone && Independence.WhyNot(await Independence.OfAsync(transaction, run, requester, actor, cancellationToken), requester, "decide", "asked for it") is { } why)
        {
            throw Refused(why);
        }
    }

    private static EngineException Refused(string why) => new(
        RefusedCode, ErrorKind.Denied, why, "nothing was changed; to try the step again, to undo everything, or to end it as it is needs no second person");
}
