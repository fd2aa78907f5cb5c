using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Engine.Recovery.Approvals;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// Takes a person's answer at a gate, from the page's form or from the API: with their password anew, and by the role that the
/// directory gives them at this moment.
/// </summary>
internal sealed class GateAnswering(SignInDesk signIn, ApprovalDesk desk)
{
    /// <summary>What became of it, where it was not refused by the gate itself.</summary>
    internal enum Said
    {
        Taken,
        Password,
        Role,
    }

    /// <param name="act"><c>approve</c>, <c>break-glass</c>; anything else declines.</param>
    /// <exception cref="Engine.EngineException"><c>approval-refused</c>.</exception>
    public async Task<Said> AnswerAsync(
        string name, string? password, string? act, long gate, string? hash, string? reason, string? incident, CancellationToken cancellationToken)
    {
        if (await signIn.TryAsync(name, password, cancellationToken) is not SignInOutcome.Accepted accepted)
        {
            return Said.Password;
        }

        // By the directory as it is now, not by the cookie: the role may have been taken away since.
        var answer = new GateAnswer(gate, accepted.User.Name, hash ?? "", reason ?? "", incident ?? "");
        if (accepted.User.Role is not (ConsoleRole.Approver or ConsoleRole.Admin))
        {
            await desk.RecordRefusalAsync(answer, act ?? "", $"the role {accepted.User.Role} may not approve", cancellationToken);
            return Said.Role;
        }

        await (act switch
        {
            "approve" => desk.ApproveAsync(answer, cancellationToken),
            "break-glass" => desk.BreakGlassAsync(answer, cancellationToken),
            _ => desk.DeclineAsync(answer, cancellationToken),
        });
        return Said.Taken;
    }
}
