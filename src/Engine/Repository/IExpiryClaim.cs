namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// Restore points that a prune is about to give up, as somebody knows them who has a say too. Until it ends or is disposed nobody
/// can have them kept any more: who wants to waits, and then finds them gone.
/// </summary>
public interface IExpiryClaim : IAsyncDisposable
{
    /// <summary>Those of them that stay after all, each with the reason. They are not claimed.</summary>
    IReadOnlyDictionary<RestorePointId, string> Kept { get; }

    /// <summary>Proves that the claim stands; asked right before each of them goes. It throws where the claim was lost, and then nothing more may go.</summary>
    Task RequireAsync();

    /// <summary>Writes down which of them went, whatever came of the others; then the claim is over.</summary>
    /// <param name="isFaulted">True while a fault of the work is under way: one of this must not hide it.</param>
    Task EndAsync(IReadOnlyList<RestorePointId> gone, bool isFaulted);
}
