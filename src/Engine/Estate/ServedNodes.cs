namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>The nodes whose agent this process is: those whose volumes it sees under their own paths.</summary>
/// <param name="names">None for a console, and for a worker that serves no node's queue.</param>
public sealed class ServedNodes(IReadOnlyCollection<string> names)
{
    /// <summary>No node's agent.</summary>
    public static ServedNodes None { get; } = new([]);

    /// <summary>True where it is the agent of that node.</summary>
    public bool Serves(string node) => names.Contains(node);
}
