using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole repository …</c>: works on a store alone, without a database, a catalog or a web server.</summary>
internal static partial class RepositoryCommand
{
    public static Command Create() => new("repository", "backups in a store, without any database")
    {
        Init(), Backup(), List(), Ls(), Restore(), Check(), Scrub(), Copy(), Prune(), Release(), Repair(), Stats(), Keys(),
    };

    private static Command Init()
    {
        var options = new StoreOptions();
        var from = new Option<string?>("--from") { Description = "make a new tier of the repository in this store: same id, same keys", HelpName = "URL" };
        var command = new Command("init", "make a repository") { options.Store, options.KeyFile, from, options.Json };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            using var key = await ReadKeyAsync(parsed, options, stopping);
            await using var repository = await InitializeAsync(store, key, parsed.GetValue(from), stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new { repository.Info.Id, repository.Info.FormatVersion, Store = repository.Info.Url });
            }
            else
            {
                Console.WriteLine($"repository {repository.Info.Id:N} is ready in {repository.Info.Url}");
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static async Task<BackupRepository> InitializeAsync(IObjectStore store, RepositoryKey key, string? from, CancellationToken ct)
    {
        if (from is null)
        {
            return await BackupRepository.InitializeAsync(store, key, null, ct);
        }

        await using var origin = OpenStore(from);
        await using var repository = await BackupRepository.OpenAsync(origin, key, null, ct);
        return await BackupRepository.InitializeFromAsync(store, repository, ct);
    }

    private static Command List()
    {
        var options = new StoreOptions();
        var command = new Command("list", "restore points, oldest first") { options.Store, options.KeyFile, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var list = await repository.ListAsync(stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(list.Points.Select(p => new { Id = p.Id.Value, p.Source, p.Kind, p.CreatedAt, p.Bytes, p.StoredBytes }));
            }
            else
            {
                foreach (var point in list.Points)
                {
                    Console.WriteLine(
                        $"{point.Id}  {point.CreatedAt:yyyy-MM-dd HH:mm:ss}Z  {point.Kind,-9} {ByteText.Of(point.Bytes),10} {ByteText.Of(point.StoredBytes),10}  {point.Source}");
                }
            }

            foreach (var damaged in list.Damaged)
            {
                await Console.Error.WriteLineAsync($"drconsole: {damaged}\n  → run 'drconsole repository check', and copy the restore point from another tier");
            }

            return list.Damaged.Count == 0 ? ExitCodes.Done : ExitCodes.Damaged;
        }, stopping));
        return command;
    }

    private static Command Stats()
    {
        var options = new StoreOptions();
        var command = new Command("stats", "restore points, chunks and space") { options.Store, options.KeyFile, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var stats = await repository.StatsAsync(stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(stats);
                return ExitCodes.Done;
            }

            Console.WriteLine($"restore points  {stats.RestorePoints:N0} of {ByteText.Of(stats.Bytes)}");
            Console.WriteLine($"chunks          {stats.Chunks:N0} of {ByteText.Of(stats.UniqueBytes)}");
            Console.WriteLine($"packs           {stats.Packs:N0} of {ByteText.Of(stats.PackBytes)}");
            Console.WriteLine($"index           {ByteText.Of(stats.IndexBytes)}");
            Console.WriteLine($"manifests       {ByteText.Of(stats.ManifestBytes)}");
            Console.WriteLine($"wal             {stats.WalObjects:N0} objects of {ByteText.Of(stats.WalBytes)}");
            Console.WriteLine($"in all          {ByteText.Of(stats.TotalBytes)}");
            return ExitCodes.Done;
        }, stopping));
        return command;
    }

    private static Command Copy()
    {
        var options = new StoreOptions();
        var from = new Option<string>("--from") { Description = "the store to copy from", HelpName = "URL", Required = true };
        var to = new Option<string>("--to") { Description = "a tier of the same repository (init --from)", HelpName = "URL", Required = true };
        var command = new Command("copy", "copy restore points into another tier") { from, to, options.KeyFile, options.Json, options.SessionLife };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var source = OpenStore(parsed.GetValue(from)!);
            await using var target = OpenStore(parsed.GetValue(to)!);
            using var key = await ReadKeyAsync(parsed, options, stopping);
            await using var origin = await BackupRepository.OpenAsync(source, key, null, stopping);
            await using var tier = await BackupRepository.OpenAsync(target, key, OptionsFrom(parsed, options), stopping);
            var report = await WithProgressAsync(progress => origin.CopyAsync(tier, null, progress, stopping));
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(report);
            }
            else
            {
                Console.WriteLine(
                    $"{Counted.Of(report.RestorePoints, "restore point")} copied ({report.AlreadyThere} were there, {report.Expired} had expired there), {Counted.Of(report.Chunks, "chunk")} of {ByteText.Of(report.Bytes)}, {Counted.Of(report.Attestations, "attestation")}, {Counted.Of(report.Wal?.Objects ?? 0, "object")} of WAL of {ByteText.Of(report.Wal?.Bytes ?? 0)}");
            }

            foreach (var damage in report.Wal?.Damaged ?? [])
            {
                await Console.Error.WriteLineAsync($"not copied: {damage.Name}: {damage.Reason}");
            }

            return report.Wal is { Damaged.Count: > 0 } ? ExitCodes.Damaged : ExitCodes.Done;
        }));
        return command;
    }

    /// <summary>The edge of these commands: a store's URL that is none is wrong usage.</summary>
    private static Task<int> RunAsync(Func<Task<int>> command) => CommandRunner.RunAsync(async () =>
    {
        try
        {
            return await command();
        }
        catch (EngineException fault) when (fault.Code is "store-url-invalid" or "slice-invalid" or "retention-keeps-nothing" or "prune-options-invalid")
        {
            await Console.Error.WriteLineAsync($"drconsole: {fault.ToText()}");
            return ExitCodes.Usage;
        }
    });

    private static Task<int> WithRepositoryAsync(
        ParseResult parsed, StoreOptions options, Func<BackupRepository, Task<int>> act, CancellationToken ct) => RunAsync(async () =>
    {
        await using var store = OpenStore(parsed.GetValue(options.Store)!);
        using var key = await ReadKeyAsync(parsed, options, ct);
        await using var repository = await BackupRepository.OpenAsync(store, key, OptionsFrom(parsed, options), ct);
        return await act(repository);
    });

    private static RepositoryOptions OptionsFrom(ParseResult parsed, StoreOptions options) =>
        parsed.GetResult(options.SessionLife) is null ? new RepositoryOptions() : new RepositoryOptions { SessionLife = parsed.GetValue(options.SessionLife) };

    private static IObjectStore OpenStore(string url)
    {
        var parsed = StoreUrl.Parse(url);
        var store = parsed.Open();
        return parsed.LocalFolder is not null ? store : new RetryingStore(
            store, onRetry: notice => Console.Error.WriteLine($"drconsole: {notice.Fault.Message}; trying again in {notice.Pause.TotalSeconds:F1} s"));
    }

    private static Task<RepositoryKey> ReadKeyAsync(ParseResult parsed, StoreOptions options, CancellationToken ct) =>
        RepositoryKey.FromFileAsync(parsed.GetValue(options.KeyFile)!, ct);

    private static async Task<T> WithProgressAsync<T>(Func<IProgress<TransferProgress>, Task<T>> act)
    {
        var progress = ConsoleProgress.Create();
        try
        {
            return await act(progress);
        }
        finally
        {
            progress.End();
        }
    }

    /// <summary>What almost every one of these commands takes.</summary>
    private sealed class StoreOptions
    {
        public Option<string> Store { get; } = new("--store") { Description = "the store, for example file:///var/backups/hot", HelpName = "URL", Required = true };

        public Option<string> KeyFile { get; } = new("--key-file") { Description = "a file whose first line is the passphrase", HelpName = "FILE", Required = true };

        /// <summary>For tests that kill writers and cannot wait an hour until prune takes them for dead.</summary>
        public Option<TimeSpan> SessionLife { get; } = new("--session-life") { Hidden = true };

        public Option<bool> Json { get; } = new("--json") { Description = "one JSON document on standard output" };
    }
}
