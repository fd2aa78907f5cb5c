using System.CommandLine;
using System.Diagnostics;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>backup</c> and <c>restore</c> of files and trees.</summary>
internal static partial class RepositoryCommand
{
    private const string FilesKind = "files";

    private static Command Backup()
    {
        var options = new StoreOptions();
        var paths = new Argument<string[]>("PATH") { Description = "directories or files; each becomes an artifact of its last name", Arity = ArgumentArity.OneOrMore };
        var source = new Option<string?>("--source") { Description = "the source's name; the first PATH where not given", HelpName = "NAME" };
        var command = new Command("backup", "back up directories and files; prints the restore point's id") { paths, options.Store, options.KeyFile, source, options.Json, options.SessionLife };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var clock = Stopwatch.StartNew();
            var full = parsed.GetValue(paths)!.Select(path => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))).ToList();
            IReadOnlyList<string> excluded = StoreUrl.Parse(parsed.GetValue(options.Store)!).LocalFolder is { } local ? [local] : [];
            var manifest = await WithProgressAsync(
                progress => BackUpAsync(repository, full, parsed.GetValue(source) ?? full[0], excluded, progress, stopping));
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
        BackupRepository repository, List<string> paths, string source, IReadOnlyList<string> excluded, IProgress<TransferProgress> progress, CancellationToken ct)
    {
        var parent = (await repository.ListAsync(ct)).Points.LastOrDefault(point => point.Source == source && point.Kind == FilesKind);
        var description = new BackupDescription
        {
            Source = source,
            Kind = FilesKind,
            HostName = Environment.MachineName,
            ToolVersions = new Dictionary<string, string> { ["drconsole"] = typeof(RepositoryCommand).Assembly.GetName().Version?.ToString(3) ?? "" },
            Parent = parent?.Id,
        };
        await using var session = await repository.BeginAsync(description, ct);
        foreach (var path in paths)
        {
            var name = Path.GetFileName(path) is { Length: > 0 } last ? last : "root";
            await session.WriteTreeAsync(name, [path], new TreeOptions { ParentArtifact = name, Excluded = excluded }, progress, ct);
        }

        return await session.CommitAsync(null, null, ct);
    }

    private static Command Restore()
    {
        var options = new StoreOptions();
        var id = new Argument<string>("ID") { Description = "the restore point, the unique beginning of its id, or \"latest\"" };
        var to = new Option<string>("--to") { Description = "a new or empty directory; each artifact gets its name in it", HelpName = "DIR", Required = true };
        var artifact = new Option<string?>("--artifact") { Description = "only this artifact", HelpName = "NAME" };
        var command = new Command("restore", "restore artifacts as files and trees") { id, to, options.Store, options.KeyFile, artifact, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var clock = Stopwatch.StartNew();
            var manifest = await repository.ReadManifestAsync(await repository.ResolveAsync(parsed.GetValue(id)!, stopping), stopping);
            var wanted = parsed.GetValue(artifact);
            var artifacts = wanted is null ? manifest.Artifacts : [.. manifest.Artifacts.Where(a => a.Name == wanted)];
            if (artifacts.Count == 0 && wanted is not null)
            {
                throw new EngineException(
                    "artifact-missing", ErrorKind.NotFound, $"restore point {manifest.Id.Short} has no artifact '{wanted}'",
                    $"it has: {string.Join(", ", manifest.Artifacts.Select(a => a.Name))}");
            }

            var target = Path.GetFullPath(parsed.GetValue(to)!);
            var result = await WithProgressAsync(progress => repository.RestoreAsync(manifest, artifacts, target, progress, stopping));
            foreach (var warning in result.Warnings)
            {
                await Console.Error.WriteLineAsync($"drconsole: {warning}");
            }

            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new
                {
                    Id = manifest.Id.Value, To = target, result.Items, result.Bytes, Warnings = result.WarningCount, Seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
                });
            }
            else
            {
                Console.WriteLine($"{result.Items:N0} items, {ByteText.Of(result.Bytes)} restored into {target}");
            }

            return ExitCodes.Done;
        }, stopping));
        return command;
    }
}
