using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>The queues of the job server: asking for scheduled runs takes milliseconds and goes first, then restores, then by class.</summary>
public static class JobQueues
{
    /// <summary>Where recurring jobs ask for their runs.</summary>
    public const string Schedule = "a-schedule";

    private const string Restores = "b-restore";
    private const string Others = "z-other";
    private const string NodeWord = ServedNodes.QueueWord;
    private const string NodePrefix = "n-" + NodeWord;
    private static readonly string[] Classes = ["critical", "important", "standard", "archive"];

    /// <summary>All queues in the order in which Hangfire empties them (it sorts by name).</summary>
    public static string[] All { get; } = [Schedule, Restores, .. Classes.Select((name, rank) => QueueOf(name, rank)), Others];

    /// <summary>The queues as a person names them: without the letter that makes their order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(queue => queue[2..])];

    /// <summary>Reads names with commas between them; all queues where null.</summary>
    /// <exception cref="EngineException">A name that is no queue's.</exception>
    public static string[] Parse(string? names)
    {
        if (names is null)
        {
            return All;
        }

        var asked = names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var nodes = asked.Where(IsNode).Select(name => QueueOfNode(name[NodeWord.Length..]));
        var unknown = asked.Where(name => !IsNode(name) && !All.Any(queue => queue == name || queue[2..] == name)).ToList();
        return unknown.Count == 0 && asked.Length > 0
            ? [.. All.Where(queue => asked.Contains(queue) || asked.Contains(queue[2..])), .. nodes]
            : throw new EngineException(
                "queue-unknown", ErrorKind.Input, asked.Length == 0 ? "no queue is named" : $"there is no queue {string.Join(", ", unknown)}",
                $"the queues are {string.Join(", ", Names)}, and node-NAME for the volumes and data directories of a node");
    }

    /// <summary>The nodes whose queues are among some names: whoever serves them is the nodes' agent.</summary>
    public static ServedNodes NodesOf(string? names) =>
        new([.. (names ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(IsNode).Select(name => name[NodeWord.Length..])]);

    /// <summary>The queue for a run.</summary>
    public static string For(Run run, ProtectedEstate estate)
    {
        if (run.Kind is RunKinds.Restore or RunKinds.Recovery)
        {
            return Restores;
        }

        var source = estate.Sources.FirstOrDefault(source => source.Name == run.Source);
        if (run.Kind == RunKinds.Backup && source?.Node is { } node && !IsDump(run, source))
        {
            // Only there is its path the volume or the data directory; everywhere else it is another directory of the same name.
            return QueueOfNode(node);
        }

        var name = source?.Class;
        var rank = Array.IndexOf(Classes, name);
        return rank < 0 ? Others : QueueOf(Classes[rank], rank);
    }

    /// <summary>A dump comes over the network, and is anybody's.</summary>
    private static bool IsDump(Run run, Source source) =>
        source.Postgres is not null && JsonSerializer.Deserialize<BackupRequest>(run.RequestJson, JsonSerializerOptions.Web)!.Strategy == LogicalBackup.Strategy;

    private static bool IsNode(string name) => name.Length > NodeWord.Length && name.StartsWith(NodeWord, StringComparison.Ordinal);

    /// <summary>Hangfire's queues have no dots in their names, nodes may.</summary>
    internal static string QueueOfNode(string node) => NodePrefix + node.Replace('.', '_');

    private static string QueueOf(string name, int rank) => $"{(char)('c' + rank)}-{name}";
}
