using Hexabase.DrConsole.Dashboard.Access;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What became of an act that takes a person's password anew, where the act itself was not refused.</summary>
internal enum Said
{
    Taken,

    /// <summary>It was no act that is known here.</summary>
    Unknown,
    Password,
    Role,
}

/// <summary>Who acts, by their password and by the role that the directory gives them at this moment, not by their cookie: it may have been taken away since.</summary>
internal sealed class Reauthentication(SignInDesk signIn)
{
    /// <returns>The person where they may approve; null with the refusal, and the person where only the role is missing.</returns>
    public async Task<(ConsoleUser? Person, Said Said)> OfApproverAsync(string name, string? password, CancellationToken cancellationToken) =>
        await signIn.ConfirmAsync(name, password, cancellationToken) is not SignInOutcome.Accepted accepted ? (null, Said.Password)
            : accepted.User.Role is ConsoleRole.Approver or ConsoleRole.Admin ? (accepted.User, Said.Taken)
            : (accepted.User, Said.Role);
}
