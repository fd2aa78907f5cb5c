using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>
/// Step four for a logical PostgreSQL backup: facts, roles and the dump's table of contents parse, and the dump has every
/// table that the facts name. pg_restore runs as the scratch user, since the dump is somebody else's bytes.
/// </summary>
internal sealed class ContentStructureCheck(ProcessRegistry registry, IReadOnlyList<PostgresBinaries> clients)
{
    public async Task<StepOutcome> RunAsync(BackupRepository repository, Manifest manifest, CancellationToken cancellationToken)
    {
        var dump = StoredDump.Of(repository, manifest);
        var facts = await dump.ReadFactsAsync(cancellationToken);
        var globals = await dump.ReadGlobalsAsync(cancellationToken);
        var binaries = DumpTools.ForRestore(clients, dump.DumpMajor, facts.ServerVersionNumber / 10000);
        var user = await ScratchUser.EnsureAsync(registry, cancellationToken);
        var list = await dump.ListAsync(binaries, registry, user, cancellationToken);

        var missing = facts.Tables.Where(table => !list.HasTable(table.Schema, table.Name)).Select(table => $"table {table.FullName}")
            .Concat(facts.Tables.Where(table => table.Method != DigestMethod.None && !list.HasRows(table.Schema, table.Name)).Select(table => $"rows of {table.FullName}"))
            .ToList();
        return missing.Count > 0
            ? StepOutcome.Failed($"the dump lacks {string.Join(", ", missing.Take(5))}{(missing.Count > 5 ? $" and {missing.Count - 5} more" : "")}", missing)
            : StepOutcome.Passed(
                $"{list.Entries.Count} entries in the dump, with all {facts.Tables.Count} tables that the facts name; {globals.Roles.Count} roles");
    }
}
