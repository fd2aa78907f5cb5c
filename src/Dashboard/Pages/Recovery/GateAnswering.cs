using Hexabase.DrConsole.Engine.Recovery.Approvals;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// Takes a person's answer at a gate, from the page's form or from the API: with their password anew, and by the role that the
/// directory gives them at this moment.
/// </summary>
internal sealed class GateAnswering(Reauthentication people, ApprovalDesk desk)
{
    public const string Approve = "approve";
    public const string Decline = "decline";
    public const string BreakGlass = "break-glass";
    public const string Review = "review";

    public static bool IsAct(string? act) => act is Approve or Decline or BreakGlass;

    /// <param name="act">One of the three; nothing is guessed from anything else.</param>
    /// <exception cref="Engine.EngineException"><c>approval-refused</c>.</exception>
    public async Task<Said> AnswerAsync(
        string name, string? password, string? act, long gate, string? hash, string? reason, string? incident, CancellationToken cancellationToken)
    {
        if (!IsAct(act))
        {
            return Said.Unknown;
        }

        var (person, said) = await people.OfApproverAsync(name, password, cancellationToken);
        if (person is null)
        {
            return said;
        }

        var answer = new GateAnswer(gate, person.Name, hash ?? "", reason ?? "", incident ?? "");
        if (said == Said.Role)
        {
            await desk.RecordRefusalAsync(answer, act!, $"the role {person.Role} may not approve", cancellationToken);
            return said;
        }

        await (act switch
        {
            Approve => desk.ApproveAsync(answer, cancellationToken),
            BreakGlass => desk.BreakGlassAsync(answer, cancellationToken),
            _ => desk.DeclineAsync(answer, cancellationToken),
        });
        return Said.Taken;
    }

    /// <summary>Takes the review that must follow where the glass was broken.</summary>
    /// <exception cref="Engine.EngineException"><c>approval-refused</c>.</exception>
    public async Task<Said> ReviewAsync(string name, string? password, long gate, string? review, CancellationToken cancellationToken)
    {
        var (person, said) = await people.OfApproverAsync(name, password, cancellationToken);
        if (person is null)
        {
            return said;
        }

        if (said == Said.Role)
        {
            await desk.RecordRefusalAsync(new GateAnswer(gate, person.Name, "", review ?? "", ""), Review, $"the role {person.Role} may not review", cancellationToken);
            return said;
        }

        await desk.ReviewAsync(gate, person.Name, review ?? "", cancellationToken);
        return Said.Taken;
    }

    /// <summary>Writes down that a token tried.</summary>
    public Task RefuseTokenAsync(string token, string act, long gate, string why, CancellationToken cancellationToken) =>
        desk.RecordRefusalAsync(new GateAnswer(gate, token, "", "", ""), act, why, cancellationToken);
}
