namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>The engine has one drill of a plan open at a time, and the tests share a catalog: each test that drills waits for its turn, and gives it up by disposing it.</summary>
internal sealed class DrillTurn : IDisposable
{
    private static readonly SemaphoreSlim s_turn = new(1);

    private DrillTurn()
    {
    }

    public static async Task<DrillTurn> TakeAsync(CancellationToken cancellationToken)
    {
        await s_turn.WaitAsync(cancellationToken);
        return new DrillTurn();
    }

    public void Dispose() => s_turn.Release();
}
