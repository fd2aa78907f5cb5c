using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Captures a control plane's store that is a file (SQLite, through kine): <c>state.db</c> and what SQLite keeps beside it. A
/// file that is being written cannot be copied, so the cluster is stopped for as long as the copy takes, and always started again.
/// </summary>
internal sealed class StoreFileCapture(VClusterAccess access, ClusterPause pause, string source, string purpose, PauseLedger? ledger, TimeProvider time)
{
    /// <summary>The store, and its write-ahead log, which holds what is not in it yet.</summary>
    internal static readonly IReadOnlyList<string> Files = ["state.db", "state.db-wal"];

    public async Task StoreAsync(
        VClusterSettings settings, BackupSession session, IProgress<TransferProgress>? progress, Action<string, string>? log, List<string> warnings, CancellationToken cancellationToken)
    {
        var store = Path.Combine(settings.DataDirectory!, Files[0]);
        if (!File.Exists(store))
        {
            warnings.Add($"the control plane's store is not in this restore point: VCluster:Etcd is not given, and there is no {store}");
            return;
        }

        if (!settings.PauseForBackup)
        {
            warnings.Add($"the control plane's store is not in this restore point: {store} cannot be copied while it is written; set VCluster:PauseForBackup");
            return;
        }

        var began = time.GetTimestamp();
        // Before it is stopped: a process that dies from here on leaves a cluster that the next start of the console resumes.
        var record = ledger?.Write(source, access, settings, purpose);
        bool isOurs;
        try
        {
            isOurs = await pause.PauseAsync(purpose, cancellationToken).ConfigureAwait(false);
            log?.Invoke("pause", isOurs ? $"{access.Name} is stopped; copying its store" : $"{access.Name} is paused already, by somebody else; it stays so");
            if (!isOurs && !await pause.WaitStoppedAsync(cancellationToken).ConfigureAwait(false))
            {
                throw pause.NotStopped("it was paused by somebody else, and a store that is being written cannot be copied; look at its pods on the host");
            }

            await CopyAsync(settings.DataDirectory!, session, progress, cancellationToken).ConfigureAwait(false);
            if (!await pause.IsStoppedAsync(cancellationToken).ConfigureAwait(false))
            {
                throw new EngineException(
                    "pause-broken", ErrorKind.Conflict, $"{access.Name} was started by somebody else while its store was copied", "the next backup copies it again") { IsTransient = true };
            }
        }
        finally
        {
            // Also where the pause or the copy failed or was cancelled: a tenant's outage must not outlive it.
            await ResumeAsync(record, log).ConfigureAwait(false);
        }

        if (!isOurs)
        {
            return;
        }

        var isReady = await pause.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
        log?.Invoke("pause", $"{access.Name} was stopped for {time.GetElapsedTime(began).TotalSeconds:0.0} s");
        if (!isReady)
        {
            warnings.Add($"{access.Name} was started again after the copy and is not ready yet");
        }
    }

    private async Task ResumeAsync(PauseRecord? record, Action<string, string>? log)
    {
        try
        {
            await pause.ResumePatientlyAsync(purpose).ConfigureAwait(false);
        }
        catch (EngineException fault)
        {
            log?.Invoke("pause", $"{access.Name} could NOT be started again: {fault.Message}; the console goes on trying");
            if (record is not null)
            {
                ledger!.GiveUp(record);
            }

            throw;
        }

        if (record is not null)
        {
            ledger!.Remove(record);
        }
    }

    private static async Task CopyAsync(string directory, BackupSession session, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (var name in Files.Where(name => File.Exists(Path.Combine(directory, name))))
        {
            var content = new FileStream(Path.Combine(directory, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await using (content.ConfigureAwait(false))
            {
                await session.WriteStreamAsync(name, "kine store", content, progress, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
