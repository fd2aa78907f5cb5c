namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>The nodes whose agent this process is: those whose files it sees under their own paths.</summary>
/// <param name="names">None for a console, and for a worker that serves no node's queue.</param>
public sealed class ServedNodes(IReadOnlyCollection<string> names)
{
    /// <summary>A node's queue is named by this word and its name.</summary>
    public const string QueueWord = "node-";

    /// <summary>No node's agent.</summary>
    public static ServedNodes None { get; } = new([]);

    /// <summary>True where it is the agent of that node.</summary>
    public bool Serves(string node) => names.Contains(node);

    /// <summary>Refuses a source whose files another machine has: here the same path is another directory, or none.</summary>
    /// <param name="node">The node that has them; null for the console's machine.</param>
    /// <param name="source">The source's name.</param>
    /// <param name="code">The fault's.</param>
    /// <exception cref="EngineException">This process is not that node's agent.</exception>
    public void Require(string? node, string source, string code)
    {
        if (node is not null && !Serves(node))
        {
            throw new EngineException(code, ErrorKind.Unsupported, $"the files of {source} are on node {node}, and this process is not its agent",
                $"Run there: drconsole worker --queues {QueueWord}{node}. Its backup is executed by that worker only.");
        }
    }
}
