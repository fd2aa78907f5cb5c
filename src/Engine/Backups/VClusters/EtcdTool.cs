using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>What etcd's own tool does with a snapshot.</summary>
internal static class EtcdTool
{
    private const int HashBytes = 32;

    /// <summary>Writes the stored snapshot into a file that only this user may read, and checks the hash at its end.</summary>
    /// <exception cref="EngineException"><c>etcd-snapshot-damaged</c>.</exception>
    public static async Task WriteSnapshotAsync(BackupRepository repository, Manifest manifest, EtcdFacts facts, string path, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await using (file.ConfigureAwait(false))
        {
            await repository.ReadStreamAsync(manifest, VClusterArtifacts.Etcd, file, null, cancellationToken).ConfigureAwait(false);
            if (await HashAsync(file, cancellationToken).ConfigureAwait(false) != facts.Sha256)
            {
                throw new EngineException("etcd-snapshot-damaged", ErrorKind.Damaged, "the stored etcd snapshot has another hash than its inventory says", "use another restore point");
            }
        }
    }

    /// <summary>Makes a data directory of a snapshot.</summary>
    /// <exception cref="EngineException"><c>etcdctl-missing</c>, <c>etcd-restore-failed</c>.</exception>
    public static async Task RestoreAsync(string snapshot, string directory, string member, string peerUrl, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var result = await RunAsync(
            ["snapshot", "restore", snapshot, "--name", member, "--data-dir", directory, "--initial-cluster", $"{member}={peerUrl}", "--initial-advertise-peer-urls", peerUrl],
            registry, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new EngineException("etcd-restore-failed", ErrorKind.Conflict, $"etcdctl cannot restore the snapshot: {result.ErrorTail}", "look at the space and the rights of the directory");
        }
    }

    /// <summary>Revision and keys of a snapshot, as etcdctl reads them.</summary>
    public static async Task<(long Revision, long Keys)> StatusAsync(string snapshot, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var result = await RunAsync(["snapshot", "status", snapshot, "-w", "json"], registry, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new EngineException("etcd-snapshot-damaged", ErrorKind.Damaged, $"etcdctl cannot read the snapshot: {result.ErrorTail}", "use another restore point");
        }

        using var said = JsonDocument.Parse(result.Output);
        return (said.RootElement.GetProperty("revision").GetInt64(), said.RootElement.GetProperty("totalKey").GetInt64());
    }

    private static async Task<ToolResult> RunAsync(string[] arguments, ProcessRegistry registry, CancellationToken cancellationToken)
    {
        var tool = KubernetesBinaries.FindEtcdTool() ?? throw new EngineException("etcdctl-missing", ErrorKind.Unavailable, "etcdctl is not installed on this machine", "install etcd-client");
        return await ToolProcess.RunAsync(
            new ToolCommand(tool, arguments) { Purpose = "etcdctl", Environment = new Dictionary<string, string> { ["ETCDCTL_API"] = "3" } }, registry, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<string> HashAsync(FileStream file, CancellationToken cancellationToken)
    {
        file.Position = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[128 * 1024];
        for (var left = file.Length - HashBytes; left > 0;)
        {
            var read = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancellationToken).ConfigureAwait(false);
            hash.AppendData(buffer.AsSpan(0, read));
            left -= read;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
