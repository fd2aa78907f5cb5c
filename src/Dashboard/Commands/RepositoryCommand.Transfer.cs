using System.CommandLine;
using System.Diagnostics;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>backup</c> of files and trees.</summary>
internal static partial class RepositoryCommand
{
    private const string FilesKind = "files";

    private static Command Backup()
    {
        var options = new StoreOptions();
        var paths = new Argument<string[]>("PATH") { Description = "directories or files; each becomes an artifact of its last name", Arity = ArgumentArity.OneOrMore };
        var source = new Option<string?>("--source") { Description = "the source's name; the first PATH where not given", HelpName = "NAME" };
        var exclude = new Option<string[]>("--exclude") { Description = "leave out what matches, in the words of .gitignore; may be given again", HelpName = "GLOB" };
        var excludeFile = new Option<string[]>("--exclude-file") { Description = "a file with one such pattern a line; may be given again", HelpName = "FILE" };
        var oneFileSystem = new Option<bool>("--one-file-system") { Description = "leave out what is mounted below a PATH" };
        var excludeCaches = new Option<bool>("--exclude-caches") { Description = "leave out what directories with a CACHEDIR.TAG hold" };
        var compression = new Option<Compression>("--compression") { Description = "balanced (zstd 3) or fast (zstd 1)", HelpName = "HOW" };
        var command = new Command("backup", "back up directories and files; prints the restore point's id")
        {
            paths, options.Store, options.KeyFile, source, exclude, excludeFile, oneFileSystem, excludeCaches, compression, options.Json, options.SessionLife,
        };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var clock = Stopwatch.StartNew();
            var full = parsed.GetValue(paths)!.Select(path => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))).ToList();
            var tree = new TreeOptions
            {
                Excluded = StoreUrl.Parse(parsed.GetValue(options.Store)!).LocalFolder is { } local ? [local] : [],
                Exclude = await PatternsAsync(parsed.GetValue(exclude) ?? [], parsed.GetValue(excludeFile) ?? [], stopping),
                OneFileSystem = parsed.GetValue(oneFileSystem),
                SkipCacheDirectories = parsed.GetValue(excludeCaches),
            };
            var manifest = await WithProgressAsync(
                progress => BackUpAsync(repository, full, parsed.GetValue(source) ?? full[0], parsed.GetValue(compression), tree, progress, stopping));
            foreach (var warning in manifest.Artifacts.SelectMany(artifact => artifact.Warnings))
            {
                await Console.Error.WriteLineAsync($"drconsole: {warning}");
            }

            var unreadable = manifest.Artifacts.Sum(artifact => artifact.Unreadable);
            if (unreadable > 0)
            {
                await Console.Error.WriteLineAsync(
                    $"drconsole: {unreadable} items could not be read and are missing from restore point {manifest.Id}\n  → give this user the right to read them, then back up again");
            }

            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new
                {
                    Id = manifest.Id.Value, manifest.Source, manifest.Kind, manifest.CreatedAt, manifest.Bytes, manifest.StoredBytes,
                    Items = manifest.Artifacts.Sum(artifact => artifact.Items ?? 0), Unreadable = unreadable, Seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
                });
            }
            else
            {
                Console.WriteLine(manifest.Id);
            }

            return unreadable == 0 ? ExitCodes.Done : ExitCodes.Failed;
        }, stopping));
        return command;
    }

    private static async Task<Manifest> BackUpAsync(
        BackupRepository repository, List<string> paths, string source, Compression compression, TreeOptions tree, IProgress<TransferProgress> progress, CancellationToken ct)
    {
        var parent = (await repository.ListAsync(ct)).Points.LastOrDefault(point => point.Source == source && point.Kind == FilesKind);
        var description = new BackupDescription
        {
            Source = source,
            Kind = FilesKind,
            HostName = Environment.MachineName,
            ToolVersions = new Dictionary<string, string> { ["drconsole"] = typeof(RepositoryCommand).Assembly.GetName().Version?.ToString(3) ?? "" },
            Parent = parent?.Id,
            Compression = compression,
        };
        await using var session = await repository.BeginAsync(description, ct);
        foreach (var path in paths)
        {
            var name = Path.GetFileName(path) is { Length: > 0 } last ? last : "root";
            await session.WriteTreeAsync(name, [path], tree with { ParentArtifact = name }, progress, ct);
        }

        return await session.CommitAsync(null, null, ct);
    }

    /// <summary>Files first, so that a pattern on the command line decides against one in a file.</summary>
    private static async Task<List<string>> PatternsAsync(string[] patterns, string[] files, CancellationToken ct)
    {
        var all = new List<string>();
        foreach (var file in files)
        {
            all.AddRange(await File.ReadAllLinesAsync(file, ct));
        }

        all.AddRange(patterns);
        return all;
    }
}
