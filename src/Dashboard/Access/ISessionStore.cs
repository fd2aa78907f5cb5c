namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Who is signed in. A cookie only names a session: what ends here has ended in every tab and for every copy of the cookie.
/// Failures of the store are <see cref="Engine.EngineException"/>s of kind Unavailable.
/// </summary>
public interface ISessionStore
{
    /// <summary>Begins a session, which ends by itself after <see cref="DashboardOptions.LongestSession"/>.</summary>
    /// <param name="person">The user's name as the directory has it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its id, which is random and a secret; the store keeps none of it that could be used.</returns>
    Task<string> BeginAsync(string person, CancellationToken cancellationToken);

    /// <summary>True while it has not ended, and is that person's.</summary>
    Task<bool> HoldsAsync(string id, string person, CancellationToken cancellationToken);

    /// <summary>Ends it; nothing where it has ended already.</summary>
    Task EndAsync(string id, CancellationToken cancellationToken);

    /// <summary>Ends it and all others of its person, in whatever browser; nothing where it has ended already.</summary>
    Task EndAllAsync(string id, CancellationToken cancellationToken);
}
