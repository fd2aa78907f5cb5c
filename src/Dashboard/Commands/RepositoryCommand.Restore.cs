using System.CommandLine;
using System.Diagnostics;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>restore</c> of files and trees.</summary>
internal static partial class RepositoryCommand
{
    /// <summary>A document names this many differences; the counts tell the rest.</summary>
    private const int MaxListedChanges = 10_000;

    private static Command Restore()
    {
        var options = new StoreOptions();
        var id = new Argument<string>("ID") { Description = "the restore point, the unique beginning of its id, or \"latest\"" };
        var to = new Option<string>("--to") { Description = "a new or empty directory; each artifact gets its name in it", HelpName = "DIR", Required = true };
        var artifact = new Option<string?>("--artifact") { Description = "only this artifact", HelpName = "NAME" };
        var path = new Option<string?>("--path") { Description = "only this directory or file, which gets its last name in DIR; begins with the artifact's name, as \"ls\" shows it", HelpName = "PATH" };
        var delta = new Option<bool>("--delta") { Description = "DIR may hold something: leave what is right by size and time, and what is not in the restore point" };
        var verify = new Option<bool>("--verify-content") { Description = "with --delta: compare contents, not size and time" };
        var delete = new Option<bool>("--delete") { Description = "with --delta: delete what is not in the restore point" };
        var dryRun = new Option<bool>("--dry-run") { Description = "with --delta: show the difference, change nothing" };
        var command = new Command("restore", "restore artifacts as files and trees")
        {
            id, to, options.Store, options.KeyFile, artifact, path, delta, verify, delete, dryRun, options.Json,
        };
        command.Validators.Add(result =>
        {
            if (!result.GetValue(delta) && (result.GetValue(verify) || result.GetValue(delete) || result.GetValue(dryRun)))
            {
                result.AddError("--verify-content, --delete and --dry-run need --delta.");
            }

            if (result.GetValue(path) is not null && result.GetValue(artifact) is not null)
            {
                result.AddError("--path begins with the artifact's name; leave --artifact out.");
            }
        });
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var clock = Stopwatch.StartNew();
            var manifest = await repository.ReadManifestAsync(await repository.ResolveAsync(parsed.GetValue(id)!, stopping), stopping);
            var (first, below) = Split(parsed.GetValue(path)?.Trim('/') ?? "", '/');
            var artifacts = Choose(manifest, first.Length > 0 ? first : parsed.GetValue(artifact));
            var target = Path.GetFullPath(parsed.GetValue(to)!);
            var isJson = parsed.GetValue(options.Json);
            var changes = new List<RestoreChange>();
            var restore = new TreeRestoreOptions
            {
                Path = below.Length > 0 ? below : null,
                Delta = parsed.GetValue(delta),
                VerifyContent = parsed.GetValue(verify),
                Delete = parsed.GetValue(delete),
                DryRun = parsed.GetValue(dryRun),
                OnChange = !parsed.GetValue(dryRun) ? null : change => Tell(change, isJson ? changes : null),
            };
            var result = await WithProgressAsync(progress => repository.RestoreAsync(manifest, artifacts, target, restore, progress, stopping));
            foreach (var warning in result.Warnings)
            {
                await Console.Error.WriteLineAsync($"drconsole: {warning}");
            }

            if (isJson)
            {
                CommandRunner.PrintJson(new
                {
                    Id = manifest.Id.Value, To = target, result.Items, result.Bytes, Warnings = result.WarningCount, Seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
                    restore.DryRun, result.Created, result.Replaced, result.Adjusted, result.Unchanged, result.Deleted, result.LeftAlone, result.Blocked,
                    Changes = restore.DryRun ? changes.Select(c => new { c.Kind, c.Path }) : null,
                });
            }
            else
            {
                Console.WriteLine(Sum(result, restore, target));
            }

            return result.Blocked == 0 ? ExitCodes.Done : ExitCodes.Failed;
        }, stopping));
        return command;
    }

    private static IReadOnlyList<StoredArtifact> Choose(Manifest manifest, string? wanted)
    {
        IReadOnlyList<StoredArtifact> artifacts = wanted is null ? manifest.Artifacts : [.. manifest.Artifacts.Where(a => a.Name == wanted)];
        return artifacts.Count > 0 || wanted is null ? artifacts : throw new EngineException(
            "artifact-missing", ErrorKind.NotFound, $"restore point {manifest.Id.Short} has no artifact '{wanted}'",
            $"it has: {string.Join(", ", manifest.Artifacts.Select(a => a.Name))}");
    }

    private static void Tell(RestoreChange change, List<RestoreChange>? changes)
    {
        if (changes is null)
        {
            Console.WriteLine($"{change.Kind.ToString().ToLowerInvariant(),-8} {change.Path}");
        }
        else if (changes.Count < MaxListedChanges)
        {
            changes.Add(change);
        }
    }

    private static string Sum(TreeRestoreResult result, TreeRestoreOptions options, string target)
    {
        if (!options.Delta)
        {
            return $"{result.Items:N0} items, {ByteText.Of(result.Bytes)} restored into {target}";
        }

        var blocked = result.Blocked > 0 ? $", {result.Blocked:N0} not restored since directories are in the way (--delete would remove them)" : "";
        return $"{(options.DryRun ? "to do in" : "restored into")} {target}: {result.Created:N0} created, {result.Replaced:N0} replaced, {result.Adjusted:N0} adjusted, "
            + $"{result.Deleted:N0} deleted, {result.Unchanged:N0} right already, {result.LeftAlone:N0} beyond the restore point left alone{blocked}"
            + (options.DryRun ? "; nothing was changed" : $"; {ByteText.Of(result.Bytes)} fetched");
    }
}
