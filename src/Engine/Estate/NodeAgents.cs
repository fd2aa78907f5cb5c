namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Whether the agents of nodes live: workers that serve a node's queue, and alone can back up what is on it.</summary>
public interface INodeAgents
{
    /// <summary>
    /// For how long nothing was heard of each node's agent: of several workers of a node, of the one that was heard last. A node that no
    /// worker serves has no entry. Null where this process cannot know.
    /// </summary>
    Task<IReadOnlyDictionary<string, TimeSpan>?> SilencesAsync(IReadOnlyCollection<string> nodes, CancellationToken cancellationToken);
}

/// <summary>Knows of no agent, and so says nothing against any: where no job storage is registered.</summary>
public sealed class UnknownNodeAgents : INodeAgents
{
    /// <inheritdoc/>
    public Task<IReadOnlyDictionary<string, TimeSpan>?> SilencesAsync(IReadOnlyCollection<string> nodes, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<string, TimeSpan>?>(null);
}

/// <summary>How the agent of a source's node stands.</summary>
/// <param name="Node">The node.</param>
/// <param name="Silence">For how long nothing was heard of its agent; null where no worker serves the node.</param>
public sealed record NodeAgentStanding(string Node, TimeSpan? Silence)
{
    /// <summary>An agent reports every ten seconds; one that is away for a moment, or slow, is not dead.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>True where nobody will take up the node's backups.</summary>
    public bool IsSilent => Silence is not { } silence || silence > Patience;

    /// <summary>The node's queue, as a person names it.</summary>
    public string Queue => ServedNodes.QueueWord + Node;

    /// <summary>What to start on the node.</summary>
    public string Command => $"drconsole worker --queues {Queue}";
}
