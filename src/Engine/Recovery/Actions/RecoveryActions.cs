namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>All actions by name.</summary>
public sealed class RecoveryActions(IEnumerable<IRecoveryAction> actions)
{
    private readonly Dictionary<string, IRecoveryAction> _actions = actions.ToDictionary(action => action.Name);

    /// <summary>What plans may name.</summary>
    public IReadOnlyCollection<string> Names => _actions.Keys;

    /// <summary>The action of that name; a plan that was read names no other.</summary>
    public IRecoveryAction Named(string name) => _actions.TryGetValue(name, out var action)
        ? action
        : throw new EngineException("action-unknown", ErrorKind.Unsupported, $"this build has no action '{name}'", "make the plan again with this build");
}
