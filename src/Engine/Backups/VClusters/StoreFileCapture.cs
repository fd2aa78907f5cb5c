using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>
/// Captures a control plane's store that is a file (SQLite, through kine): <c>state.db</c> and what SQLite keeps beside it. A
/// file that is being written cannot be copied, so the cluster is stopped for as long as the copy takes, and always started again.
/// </summary>
internal sealed class StoreFileCapture(VClusterAccess access, ClusterPause pause, string purpose, TimeProvider time)
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
        if (!await pause.PauseAsync(purpose, cancellationToken).ConfigureAwait(false))
        {
            log?.Invoke("pause", $"{access.Name} is paused already, by somebody else; it stays so");
            await CopyAsync(settings.DataDirectory!, session, progress, cancellationToken).ConfigureAwait(false);
            return;
        }

        try
        {
            log?.Invoke("pause", $"{access.Name} is stopped; copying its store");
            await CopyAsync(settings.DataDirectory!, session, progress, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Also where the copy failed or was cancelled: a tenant's outage must not outlive it.
            await pause.ResumeAsync(purpose, CancellationToken.None).ConfigureAwait(false);
        }

        var isReady = await pause.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
        log?.Invoke("pause", $"{access.Name} was stopped for {time.GetElapsedTime(began).TotalSeconds:0.0} s");
        if (!isReady)
        {
            warnings.Add($"{access.Name} was started again after the copy and is not ready yet");
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
