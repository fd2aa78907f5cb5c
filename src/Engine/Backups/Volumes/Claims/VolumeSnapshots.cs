using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// Takes CSI VolumeSnapshots of claims, and makes their content readable here. What is made is removed again whatever happens:
/// after the backup, after its failure or cancel, and after a kill -9 by the next start or the next backup, which find it on record.
/// </summary>
/// <param name="ledger">Keeps what was made from this machine.</param>
/// <param name="freeze">Holds a volume still until its snapshot is cut.</param>
/// <param name="catalog">Where it is audited.</param>
public sealed class VolumeSnapshots(SnapshotLedger ledger, VolumeFreeze freeze, NpgsqlDataSource catalog, TimeProvider time)
{
    private const string Actor = "engine";
    private const int NameLength = 16;

    /// <summary>Takes one, held still where that is configured until it is cut, and waits until its copy can be read.</summary>
    /// <param name="source">A volume with a claim and a snapshot.</param>
    /// <param name="run">The run that it is for; null where there is none.</param>
    /// <param name="log">Told a phase and a line of text.</param>
    /// <exception cref="EngineException">
    /// <c>snapshot-left</c>: what is left of the last one stands in the way; as <see cref="SnapshotObjects"/>, <see cref="ClaimPlace"/>
    /// and <see cref="VolumeFreeze"/>. Nothing of it is left then, or it is on record.
    /// </exception>
    internal async Task<TakenSnapshot> TakeAsync(Source source, string? run, Action<string, string>? log, CancellationToken cancellationToken)
    {
        var settings = source.Volume!;
        await ClearLeftAsync(source.Name, log);
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(settings.Claim!.Kubeconfig), time: time);
        var (claim, volume) = await ClaimPlace.ReadAsync(api, settings.Claim, cancellationToken);
        if (volume.Directory is null)
        {
            SnapshotObjects.RequireNode(settings);
        }

        // Only a file system that is mounted here can be frozen from here.
        var live = settings.Hooks is { Fsfreeze: true } ? VolumePlace.Look((await ClaimPlace.FindAsync(api, settings, volume, cancellationToken)).Path) : null;
        var record = new SnapshotRecord(
            source.Name, settings.Claim.Kubeconfig, settings.Claim.Namespace, $"drconsole-{RandomNumberGenerator.GetHexString(NameLength, lowercase: true)}",
            settings.Snapshot!.ReadyTimeout.TotalSeconds, ledger.Registry.Owner, time.GetUtcNow());
        // Before the first object: a process that dies in making it leaves something that the next start removes.
        ledger.Write(record);
        var objects = new SnapshotObjects(api, record, ledger, settings, time, log);
        var taken = new TakenSnapshot(() => RemoveAsync(objects.Record, log));
        try
        {
            var began = time.GetTimestamp();
            var (cutAt, held, how) = await freeze.WhileHeldAsync(source, live, "its snapshot was cut", async token =>
            {
                await objects.AskAsync(run, token);
                return await objects.WaitCutAsync(settings.Hooks is not null, token);
            }, log, cancellationToken);
            var ready = await objects.WaitReadyAsync(cancellationToken);
            await AuditAsync("volume.snapshot-taken", record, new { record.Namespace, claim = settings.Claim.Name, record.Name, cutAt, heldSeconds = how is null ? 0 : held.TotalSeconds }, cancellationToken);
            log?.Invoke("snapshot", $"cut at {cutAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, ready after {time.GetElapsedTime(began).TotalSeconds:0.0} s");
            var path = await objects.CopyAsync(claim, ready, cancellationToken);
            taken.Reading = new VolumeReading(settings.Place, VolumePlace.Look(path), volume.Name)
            {
                Snapshot = new SnapshotCut(cutAt, ready["spec"]?["volumeSnapshotClassName"]?.GetValue<string>(), held, how),
            };
            return taken;
        }
        catch
        {
            await taken.DisposeAsync();
            throw;
        }
    }

    /// <summary>Removes what is on record, and tells it; where the catalog does not answer, it stays on record and is told later.</summary>
    /// <exception cref="EngineException">As <see cref="SnapshotLedger.ClearAsync"/>.</exception>
    internal async Task ClearAsync(SnapshotRecord record, string reason, Action<string, string>? log)
    {
        if (record.Made == 0)
        {
            ledger.Remove(record);
            return;
        }

        var unseen = await ledger.ClearAsync(record);
        foreach (var one in unseen)
        {
            log?.Invoke("warning", one);
        }

        await AuditAsync("volume.snapshot-removed", record, new { record.Namespace, record.Name, reason, unseen }, CancellationToken.None);
        ledger.Remove(record);
    }

    /// <summary>What an attempt left that died, or that could not remove it: a second one of a source would hide the first.</summary>
    private async Task ClearLeftAsync(string source, Action<string, string>? log)
    {
        if (ledger.Find(source) is not { } record)
        {
            return;
        }

        if (!record.IsGivenUp && record.Owner != ledger.Registry.Owner && record.Owner.IsAlive())
        {
            throw new EngineException("snapshot-taken", ErrorKind.Conflict, $"a snapshot of {source} is being read by process {record.Owner.Pid}, which lives", "Wait for its backup.");
        }

        log?.Invoke("snapshot", $"an interrupted attempt had left {record.Name}; removing it first");
        await ClearAsync(record, "left by an attempt that was interrupted", log);
    }

    /// <returns>What a person should know of what is left; null where nothing is.</returns>
    private async Task<string?> RemoveAsync(SnapshotRecord record, Action<string, string>? log)
    {
        try
        {
            await ClearAsync(record, "the backup is over", log);
            log?.Invoke("snapshot", record.Made == 0 ? "nothing was made of it" : $"{record.Name} and what was made from it are removed");
            return null;
        }
        catch (Exception fault) when (fault is EngineException or NpgsqlException)
        {
            ledger.GiveUp(record);
            var text = fault is EngineException said ? $"{said.Message}. {said.Hint}" : fault.Message;
            log?.Invoke("warning", text);
            await TellLeftAsync(record, fault.Message);
            return text;
        }
    }

    private async Task TellLeftAsync(SnapshotRecord record, string reason)
    {
        try
        {
            await AuditAsync("volume.snapshot-left", record, new { record.Namespace, record.Name, reason, record.RemoveCommand }, CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The run's log has it, and it is on record: its removal will be in the audit.
        }
    }

    private async Task AuditAsync(string action, SnapshotRecord record, object details, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, Actor, action, record.Source, details, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}

/// <summary>A snapshot whose copy can be read. Disposing removes it.</summary>
internal sealed class TakenSnapshot(Func<Task<string?>> remove) : IAsyncDisposable
{
    private readonly Lazy<Task<string?>> _removal = new(remove);

    /// <summary>How it is read.</summary>
    public VolumeReading Reading { get; set; } = null!;

    /// <summary>Removes it; once, whoever asks. No cancel ends it.</summary>
    /// <returns>What could not be removed, and what to type; null where nothing is left.</returns>
    public Task<string?> RemoveAsync() => _removal.Value;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await RemoveAsync();
}
