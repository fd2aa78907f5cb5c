using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// Has the server send its files by pg_basebackup: as one stream, which is taken apart on its way; or, where there are
/// tablespaces, into a staging folder, since pg_basebackup streams no more than one.
/// </summary>
internal sealed class SentFiles(ProcessRegistry registry, IReadOnlyList<PostgresBinaries> clients, string staging) : ClusterCopy
{
    private static readonly IReadOnlySet<string> s_kept = new HashSet<string> { "backup_label", BackupManifestFile.Name };

    public override async Task<CopiedCluster> CopyAsync(CopyContext context, CancellationToken cancellationToken)
    {
        var binaries = ChooseClient(context.Cluster.Facts);
        using var tools = await SourceTools.OpenAsync(context.Source, binaries, registry, cancellationToken);
        context.Log?.Invoke("copy", $"pg_basebackup {binaries.Version} of {context.Source.Address}");
        var meter = new ExpectedBytes(context.Progress, context.Cluster.EstimatedBytes);
        return context.Cluster.Facts.Tablespaces.Count == 0
            ? await StreamAsync(context, tools, meter, cancellationToken)
            : await StageAsync(context, tools, meter, cancellationToken);
    }

    private static async Task<CopiedCluster> StreamAsync(CopyContext context, SourceTools tools, IProgress<TransferProgress> progress, CancellationToken ct)
    {
        var tool = tools.BaseBackup("-", context.Label);
        var lines = new ErrorLines();
        await using var process = ToolProcess.Start(tool.Command with { OnErrorLine = lines.Add }, tool.Registry);
        var looking = new Looking(context.Cluster.Facts.HasChecksums);
        try
        {
            await context.Session.WriteTarTreeAsync(PhysicalBackup.DataArtifactName, process.StandardOutput, looking.Inspector(""), progress, ct);
        }
        catch (EngineException fault) when (fault.Code == "tar-damaged")
        {
            // An archive that ends too early is what a failed program leaves; what it says itself is the cause.
            var code = await process.WaitAsync(ct);
            throw code == 0 ? fault : ToolFault.From(tool, code, lines);
        }

        await process.StandardOutput.CopyToAsync(Stream.Null, ct);
        var exitCode = await process.WaitAsync(ct);
        return exitCode == 0 ? looking.Result() : throw ToolFault.From(tool, exitCode, lines);
    }

    private async Task<CopiedCluster> StageAsync(CopyContext context, SourceTools tools, IProgress<TransferProgress> progress, CancellationToken ct)
    {
        // On record before it exists, so that a crash leaves nothing that nobody knows.
        var name = ProcessRegistry.NewName("basebackup");
        var folder = Path.Combine(staging, name);
        registry.Write(registry.NewRecord(name, "staged base backup", Afterlife.Ended, folder, isServer: false));
        try
        {
            LocalFolder.CreatePrivate(folder);
            var tool = tools.BaseBackup(folder, context.Label);
            var lines = new ErrorLines();
            await using (var process = ToolProcess.Start(tool.Command with { OnErrorLine = lines.Add }, tool.Registry))
            {
                await process.StandardOutput.CopyToAsync(Stream.Null, ct);
                if (await process.WaitAsync(ct) is not 0 and var exitCode)
                {
                    throw ToolFault.From(tool, exitCode, lines);
                }
            }

            var looking = new Looking(context.Cluster.Facts.HasChecksums) { Manifest = await File.ReadAllBytesAsync(Path.Combine(folder, BackupManifestFile.Name), ct) };
            foreach (var (artifact, file, prefix) in Archives(context.Cluster.Facts))
            {
                await using var archive = File.OpenRead(Path.Combine(folder, file));
                await context.Session.WriteTarTreeAsync(artifact, archive, looking.Inspector(prefix), progress, ct);
            }

            using var stream = new MemoryStream(looking.Manifest, writable: false);
            await context.Session.WriteStreamAsync(BackupManifestFile.Name, "cluster file", stream, null, ct);
            return looking.Result();
        }
        finally
        {
            await LocalFolder.RemoveAsync(folder, context.Time, CancellationToken.None);
            registry.Remove(name);
        }
    }

    private static IEnumerable<(string Artifact, string File, string Prefix)> Archives(ClusterFacts facts) =>
    [
        (PhysicalBackup.DataArtifactName, "base.tar", ""),
        .. facts.Tablespaces.Select(space => (space.ArtifactName, $"{space.Oid.ToString(CultureInfo.InvariantCulture)}.tar", $"pg_tblspc/{space.Oid}/")),
    ];

    /// <summary>The end of the last WAL range of the manifest: pg_basebackup says it nowhere else.</summary>
    private static NpgsqlLogSequenceNumber StopOf(byte[]? manifest)
    {
        if (manifest is not null)
        {
            using var json = System.Text.Json.JsonDocument.Parse(manifest);
            if (json.RootElement.TryGetProperty("WAL-Ranges", out var ranges)
                && ranges.EnumerateArray().LastOrDefault() is { ValueKind: System.Text.Json.JsonValueKind.Object } last
                && NpgsqlLogSequenceNumber.TryParse(last.GetProperty("End-LSN").GetString() ?? "", out var end))
            {
                return end;
            }
        }

        throw new EngineException("backup-manifest-missing", ErrorKind.Unsupported,
            "pg_basebackup sent no backup_manifest that names the end of the backup", "use pg_basebackup of the server's own major version");
    }

    private PostgresBinaries ChooseClient(ClusterFacts facts)
    {
        var fitting = clients.Where(client => client.Major >= facts.ServerMajor && File.Exists(client.PathOf("pg_basebackup"))).MinBy(client => client.Major);
        return fitting ?? throw new EngineException("pg-basebackup-missing", ErrorKind.Unavailable,
            $"no pg_basebackup of PostgreSQL {facts.ServerMajor} or newer is installed ({PostgresBinaries.Describe(clients)})",
            $"install it (apt-get install postgresql-client-{facts.ServerMajor}), or name the data directory in DataDirectory where it is on this machine");
    }

    /// <summary>
    /// What is seen of the archives on their way. A page that was torn cannot be read again here, but one that was written
    /// since the start is replayed anyway; the start stands in backup_label, the first file of the first archive.
    /// </summary>
    private sealed class Looking(bool hasChecksums)
    {
        private readonly List<PageVerification> _pages = [];
        private byte[]? _label;
        private ulong _start = ulong.MaxValue;

        public byte[]? Manifest { get; set; }

        public ClusterInspector Inspector(string prefix)
        {
            var pages = hasChecksums ? new PageVerification(null, prefix) { BackupStart = _start } : null;
            if (pages is not null)
            {
                _pages.Add(pages);
            }

            return new ClusterInspector(null, pages, null, prefix) { Keep = s_kept, OnKept = Keep };
        }

        public CopiedCluster Result()
        {
            var (start, timeline) = ReadLabel(Encoding.UTF8.GetString(_label ?? []));
            return new CopiedCluster("stream", timeline, start, StopOf(Manifest), [.. _pages.SelectMany(pages => pages.Damaged)], []);
        }

        private void Keep(string path, byte[] content)
        {
            if (path == BackupManifestFile.Name)
            {
                Manifest = content;
                return;
            }

            _label = content;
            _start = (ulong)ReadLabel(Encoding.UTF8.GetString(content)).Start;
            foreach (var pages in _pages)
            {
                pages.BackupStart = _start;
            }
        }
    }

    /// <summary>The server knows about how much it will send.</summary>
    private sealed class ExpectedBytes(IProgress<TransferProgress>? progress, long expected) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => progress?.Report(
            new TransferProgress("copy", value.ItemsDone, null, value.BytesDone, Math.Max(value.BytesDone, expected), IsEstimate: true));
    }
}
