using System.CommandLine;
using System.Globalization;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>ls</c>: looks into a restore point.</summary>
internal static partial class RepositoryCommand
{
    private static Command Ls()
    {
        var options = new StoreOptions();
        var what = new Argument<string>("ID[:PATH]")
        {
            Description = "the restore point (id, its unique beginning, or \"latest\"), and a path that begins with an artifact's name",
        };
        var recursive = new Option<bool>("--recursive") { Description = "everything below, too" };
        var find = new Option<string?>("--find") { Description = "items of this name anywhere below: a part of it, or a pattern with * ? [", HelpName = "NAME" };
        var command = new Command("ls", "what a restore point holds") { what, options.Store, options.KeyFile, recursive, find, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var (id, path) = Split(parsed.GetValue(what)!, ':');
            var manifest = await repository.ReadManifestAsync(await repository.ResolveAsync(id, stopping), stopping);
            var entries = EntriesAsync(repository, manifest, path, parsed.GetValue(recursive), parsed.GetValue(find), stopping);
            if (!parsed.GetValue(options.Json))
            {
                await foreach (var entry in entries)
                {
                    Console.WriteLine(Line(entry));
                }

                return ExitCodes.Done;
            }

            var all = await entries.ToListAsync(stopping);
            CommandRunner.PrintJson(all.Select(e => new
            {
                e.Path, e.Kind, e.Size, Mode = Octal(e.Mode), e.User, e.Group, e.Modified, e.Target,
            }));
            return ExitCodes.Done;
        }, stopping));
        return command;
    }

    private static async IAsyncEnumerable<TreeEntry> EntriesAsync(
        BackupRepository repository, Manifest manifest, string path, bool recursive, string? find,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var (artifact, below) = Split(path.Trim('/'), '/');
        foreach (var stored in manifest.Artifacts.Where(a => artifact.Length == 0))
        {
            if (find is null || stored.Name.Contains(find, StringComparison.OrdinalIgnoreCase))
            {
                yield return new TreeEntry(PathText.Of(System.Text.Encoding.UTF8.GetBytes(stored.Name)), stored.Type, stored.Length, 0, 0, 0, manifest.CreatedAt, null);
            }
        }

        var wanted = artifact.Length > 0 ? [artifact] : recursive || find is not null
            ? manifest.Artifacts.Where(a => a.Type == StoredArtifact.TreeType).Select(a => a.Name) : [];
        foreach (var name in wanted)
        {
            var prefix = below.Length == 0 ? "" : below + "/";
            var entries = find is null
                ? repository.ListTreeAsync(manifest, name, below, recursive, ct)
                : repository.SearchTreeAsync(manifest, name, find, ct).Where(entry => entry.Path.StartsWith(prefix, StringComparison.Ordinal));
            await foreach (var entry in entries)
            {
                yield return entry with { Path = entry.Path.Length == 0 ? name : $"{name}/{entry.Path}" };
            }
        }
    }

    private static (string Before, string After) Split(string text, char at)
    {
        var place = text.IndexOf(at, StringComparison.Ordinal);
        return place < 0 ? (text, "") : (text[..place], text[(place + 1)..]);
    }

    private static string Line(TreeEntry entry)
    {
        var target = entry.Target is null ? "" : $" → {entry.Target}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{entry.Kind,-10} {Octal(entry.Mode)} {entry.User,6}:{entry.Group,-6} {ByteText.Of(entry.Size),10}  {entry.Modified:yyyy-MM-dd HH:mm:ss}Z  {entry.Path}{target}");
    }

    private static string Octal(uint mode) => Convert.ToString(mode, 8).PadLeft(4, '0');
}
