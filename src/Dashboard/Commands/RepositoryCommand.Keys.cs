using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Commands;

internal static partial class RepositoryCommand
{
    private static Command Keys() => new("key", "key slots, passphrases and encryption epochs")
    {
        KeyList(), KeyAdd(), KeyRemove(), KeyRotate(), KeyShred(),
    };

    private static Command KeyList()
    {
        var options = new StoreOptions();
        var command = new Command("list", "the key slots, oldest first; needs no key") { options.Store, options.Json };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            var slots = await BackupRepository.ListKeySlotsAsync(store, stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(slots.Select(slot => new { slot.Id, slot.CreatedAt, slot.IsWhole, slot.Derivation.MemoryKiB, slot.Derivation.Passes }));
            }
            else
            {
                foreach (var slot in slots)
                {
                    Console.WriteLine($"{slot.Id}  {slot.CreatedAt:yyyy-MM-dd HH:mm:ss}Z  Argon2id {slot.Derivation.MemoryKiB / 1024} MiB × {slot.Derivation.Passes}{(slot.IsWhole ? "" : "  a copy is damaged or missing")}");
                }
            }

            return slots.Count > 0 && slots.All(slot => slot.IsWhole) ? ExitCodes.Done : ExitCodes.Damaged;
        }));
        return command;
    }

    private static Command KeyAdd()
    {
        var options = new StoreOptions();
        var added = new Option<string>("--new-key-file") { Description = "a file whose first line is the additional passphrase", HelpName = "FILE", Required = true };
        var command = new Command("add", "let another passphrase open the repository; do it for each tier") { options.Store, options.KeyFile, added };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            using var key = await RepositoryKey.FromFileAsync(parsed.GetValue(added)!, stopping);
            Console.WriteLine(await repository.AddKeySlotAsync(key, stopping));
            return ExitCodes.Done;
        }, stopping));
        return command;
    }

    private static Command KeyRemove()
    {
        var options = new StoreOptions();
        var slot = new Argument<string>("SLOT") { Description = "the slot's id, or the beginning of it" };
        var command = new Command("remove", "remove a key slot; its passphrase then opens nothing here any more") { slot, options.Store };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            await BackupRepository.RemoveKeySlotAsync(store, parsed.GetValue(slot)!, stopping);
            await Console.Error.WriteLineAsync("Removed. Whoever kept a copy of the slot and knows its passphrase still has the keys: rotate them where that matters.");
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command KeyRotate()
    {
        var stores = new Option<string[]>("--store") { Description = "a tier of the repository; name all of them", HelpName = "URL", Required = true };
        var files = new Option<string[]>("--key-file") { Description = "the key file of each slot", HelpName = "FILE", Required = true };
        var command = new Command("rotate", "begin a new encryption epoch with new key slots in all tiers, or finish a rotation that was interrupted") { stores, files };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            var opened = new List<IAsyncDisposable>();
            var keys = new List<RepositoryKey>();
            try
            {
                foreach (var file in parsed.GetValue(files)!)
                {
                    keys.Add(await RepositoryKey.FromFileAsync(file, stopping));
                }

                var tiers = new List<BackupRepository>();
                foreach (var url in parsed.GetValue(stores)!)
                {
                    var store = OpenStore(url);
                    opened.Add(store);
                    tiers.Add(await BackupRepository.OpenAsync(store, keys[0], null, stopping));
                    opened.Add(tiers[^1]);
                }

                var epoch = await BackupRepository.RotateKeysAsync(tiers, keys, stopping);
                Console.WriteLine($"epoch {epoch} in {tiers.Count} tiers");
                return ExitCodes.Done;
            }
            finally
            {
                foreach (var one in Enumerable.Reverse(opened))
                {
                    await one.DisposeAsync();
                }

                keys.ForEach(key => key.Dispose());
            }
        }));
        return command;
    }

    private static Command KeyShred()
    {
        var options = new StoreOptions();
        var confirmed = new Option<string>("--confirm") { Description = "the repository's id, typed in full: there is no way back", HelpName = "ID", Required = true };
        var command = new Command("shred", "delete all keys of a tier, so that nobody ever reads anything of it again") { options.Store, options.KeyFile, confirmed };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            using var key = await ReadKeyAsync(parsed, options, stopping);
            await using (var repository = await BackupRepository.OpenAsync(store, key, null, stopping))
            {
                if (parsed.GetValue(confirmed) != repository.Info.Id.ToString("N"))
                {
                    throw new Engine.EngineException(
                        "not-confirmed", Engine.ErrorKind.Input, $"--confirm does not name this repository: it is {repository.Info.Id:N}", "type that id; nothing was changed");
                }
            }

            var deleted = await BackupRepository.ShredKeysAsync(store, stopping);
            Console.WriteLine($"{Counted.Of(deleted, "key object")} deleted; nothing in {store.Url} can be decrypted any more");
            return ExitCodes.Done;
        }));
        return command;
    }
}
