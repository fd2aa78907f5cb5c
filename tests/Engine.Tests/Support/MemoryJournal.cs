using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>What a restore of objects has done, in memory; the process can die before a note.</summary>
internal sealed class MemoryJournal : IObjectJournal
{
    public Dictionary<int, AppliedObject> Notes { get; } = [];

    public int DiesAt { get; set; } = int.MaxValue;

    /// <summary>Told how many notes there are, after each.</summary>
    public Func<int, Task> Noted { get; set; } = _ => Task.CompletedTask;

    public Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<AppliedObject>>([.. Notes.Values]);

    public async Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken)
    {
        if (Notes.Count == DiesAt)
        {
            throw new IOException("the process died here");
        }

        Notes[applied.Position] = applied;
        await Noted(Notes.Count);
    }

    public Task ForgetAsync(int position, CancellationToken cancellationToken)
    {
        Notes.Remove(position);
        return Task.CompletedTask;
    }
}
