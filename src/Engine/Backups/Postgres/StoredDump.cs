using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// The dump inside a restore point, streamed from the repository into pg_restore without a file between. A seekable copy
/// would allow parallel jobs; measured on two cores it was slower (the dump came from a pipe and has no offsets, so that
/// each job scans it), and it needs the dump's size in scratch space.
/// </summary>
internal sealed class StoredDump(BackupRepository repository, Manifest manifest)
{
    public BackupRepository Repository => repository;

    public Manifest Manifest => manifest;

    /// <summary>The major version of the pg_dump that wrote it.</summary>
    public int DumpMajor => int.TryParse(manifest.Properties.GetValueOrDefault(LogicalBackup.DumpMajorProperty), CultureInfo.InvariantCulture, out var major)
        ? major
        : 0;

    /// <exception cref="EngineException"><c>not-a-logical-backup</c>.</exception>
    public static StoredDump Of(BackupRepository repository, Manifest manifest) =>
        manifest is { Kind: LogicalBackup.Kind, Strategy: LogicalBackup.Strategy }
            ? new StoredDump(repository, manifest)
            : throw new EngineException("not-a-logical-backup", ErrorKind.Input,
                $"restore point {manifest.Id.Short} of {manifest.Source} is no logical PostgreSQL backup (kind {manifest.Kind})",
                "name a restore point of a PostgreSQL source, or restore into a directory with dir:/path");

    public Task<ContentFacts> ReadFactsAsync(CancellationToken cancellationToken) =>
        LogicalBackup.ReadFactsAsync(repository, manifest, cancellationToken);

    public async Task<GlobalsScript> ReadGlobalsAsync(CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await repository.ReadStreamAsync(manifest, GlobalsScript.ArtifactName, buffer, null, cancellationToken);
        return GlobalsScript.Parse(Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    /// <summary>The dump's table of contents; only its beginning is read.</summary>
    /// <exception cref="EngineException"><c>dump-unreadable</c>: it is no dump; or what the repository says.</exception>
    public async Task<DumpList> ListAsync(
        PostgresBinaries binaries, ProcessRegistry registry, ServerUser? runAs, CancellationToken cancellationToken)
    {
        var lines = new ErrorLines();
        var command = new ToolCommand(binaries.PathOf("pg_restore"), ["--list"]) { ReadsInput = true, RunAs = runAs, OnErrorLine = lines.Add };
        await using var process = ToolProcess.Start(command, registry);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = FeedAsync(process, enough.Cancel, null, enough.Token);
        string text;
        int exitCode;
        try
        {
            using var reader = new StreamReader(process.StandardOutput, Encoding.UTF8, leaveOpen: true);
            text = await reader.ReadToEndAsync(cancellationToken);
            exitCode = await process.WaitAsync(cancellationToken);
        }
        finally
        {
            await EndAsync(feeding, enough);
        }

        if (feeding.IsFaulted)
        {
            // The repository could not give the bytes; what pg_restore says about the rest is an echo.
            await feeding;
        }

        return exitCode == 0 ? DumpList.Parse(text) : throw new EngineException(
            "dump-unreadable", ErrorKind.Damaged, $"{LogicalBackup.DumpArtifactName} of restore point {manifest.Id.Short} is no readable dump: {lines.Cause()}",
            "take a new backup, and restore an older restore point");
    }

    /// <summary>Restores the whole dump with the tool given, which ends at the first error.</summary>
    /// <exception cref="EngineException"><c>pg-restore-failed</c> with its first error; or what the repository says.</exception>
    public async Task RestoreAsync(SourceTool tool, IProgress<TransferProgress>? progress, Action<string> warn, CancellationToken cancellationToken)
    {
        var lines = new ErrorLines();
        await using var process = ToolProcess.Start(tool.Command with { OnErrorLine = lines.Add }, tool.Registry);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var draining = process.StandardOutput.CopyToAsync(Stream.Null, ended.Token);
        var feeding = FeedAsync(process, null, new RestoreProgress(progress), ended.Token);
        try
        {
            var waiting = process.WaitAsync(cancellationToken);
            if (await Task.WhenAny(waiting, feeding) == feeding && feeding.IsFaulted)
            {
                // Without this it would wait for bytes that do not come.
                await process.StopAsync();
                await feeding;
            }

            var exitCode = await waiting;
            if (exitCode != 0)
            {
                throw ToolFault.From(tool, exitCode, lines);
            }

            // It has what it wants and ended well: the rest of the artifact is read all the same, and its hash verified.
            await feeding;
        }
        finally
        {
            await EndAsync(feeding, ended);
            await draining.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var line in lines.All)
        {
            warn(line);
        }
    }

    private static async Task EndAsync(Task feeding, CancellationTokenSource stop)
    {
        await stop.CancelAsync();
        await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task FeedAsync(ToolProcess process, Action? onClosed, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        await using (var input = process.StandardInput)
        {
            await repository.ReadStreamAsync(manifest, LogicalBackup.DumpArtifactName, new ToolInput(input, onClosed), progress, cancellationToken);
        }
    }
}

/// <summary>Gives the repository's reading the name of what it serves.</summary>
internal sealed class RestoreProgress(IProgress<TransferProgress>? progress) : IProgress<TransferProgress>
{
    public void Report(TransferProgress value) => progress?.Report(value with { Phase = "restore", ItemsDone = 0, ItemsTotal = null });
}
