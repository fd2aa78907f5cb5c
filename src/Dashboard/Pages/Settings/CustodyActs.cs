using Hexabase.DrConsole.Dashboard.Access;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>An admin's word on a key.</summary>
/// <param name="KeptAt">Where the copy is.</param>
public sealed record CustodyWord(string KeyFile, string KeptAt);

/// <summary>What both pages with the custody panel do with a word.</summary>
internal static class CustodyActs
{
    /// <summary>Writes it down and reads again; true where it stands.</summary>
    public static async Task<bool> ConfirmAsync(
        Func<Func<string, CancellationToken, Task>, Task> act, KeyCustody custody, CustodyWord word, Func<CancellationToken, Task> refresh)
    {
        var isDone = false;
        await act(async (actor, token) =>
        {
            await custody.ConfirmAsync(word.KeyFile, word.KeptAt, actor, token);
            isDone = true;
            await refresh(token);
        });
        return isDone;
    }
}
