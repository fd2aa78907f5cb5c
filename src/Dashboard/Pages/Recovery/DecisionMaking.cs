using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Takes a decision that changes what others approved, from the page's form or from the API: with the person's password anew, as at a gate.</summary>
internal sealed class DecisionMaking(Reauthentication people, RecoveryRequests requests)
{
    /// <exception cref="Engine.EngineException"><c>decision-refused</c>, <c>recovery-refused</c>.</exception>
    public async Task<Said> DecideAsync(string name, string? password, RunId run, StepChoice choice, string reason, int? position, CancellationToken cancellationToken)
    {
        var (person, said) = await people.OfApproverAsync(name, password, cancellationToken);
        if (person is null)
        {
            return said;
        }

        if (said == Said.Role)
        {
            await requests.RecordRefusalAsync(run, choice, person.Name, $"the role {person.Role} may not decide that", cancellationToken);
            return said;
        }

        await requests.DecideAsync(run, choice, person.Name, reason, cancellationToken, position);
        return Said.Taken;
    }
}
