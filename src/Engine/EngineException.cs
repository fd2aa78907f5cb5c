namespace Hexabase.DrConsole.Engine;

/// <summary>What sort of trouble an <see cref="EngineException"/> reports; decides exit codes, colours and retries.</summary>
public enum ErrorKind
{
    /// <summary>The caller asked for something that cannot be: a bad argument, configuration or passphrase.</summary>
    Input,

    /// <summary>The thing named does not exist.</summary>
    NotFound,

    /// <summary>It exists already, or somebody else holds it.</summary>
    Conflict,

    /// <summary>A server, a tool or a store does not answer or is not installed.</summary>
    Unavailable,

    /// <summary>Stored bytes are not what was written. Commands end with exit code 3.</summary>
    Damaged,

    /// <summary>Credentials or rights do not suffice.</summary>
    Denied,

    /// <summary>No space is left where something had to be written.</summary>
    OutOfSpace,

    /// <summary>A version or type this build does not know.</summary>
    Unsupported,
}

/// <summary>
/// An operational failure with what a person needs to act on it. Bugs are
/// <see cref="System.Diagnostics.UnreachableException"/>, expected outcomes are values, cancellation is never wrapped.
/// </summary>
/// <param name="code">Stable, kebab-case name of the fault, for example <c>pg-dump-missing</c>.</param>
/// <param name="kind">What sort of trouble it is.</param>
/// <param name="message">Lower case: the thing, then the cause. Never holds a secret.</param>
/// <param name="hint">What to do about it; one sentence.</param>
/// <param name="inner">The exception that showed the fault, where there is one.</param>
public sealed class EngineException(string code, ErrorKind kind, string message, string? hint = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>Stable, kebab-case name of the fault.</summary>
    public string Code { get; } = code;

    /// <summary>What sort of trouble it is.</summary>
    public ErrorKind Kind { get; } = kind;

    /// <summary>What to do about it, or null where nothing sensible can be said.</summary>
    public string? Hint { get; } = hint;

    /// <summary>True where the same call may succeed later without anybody changing anything.</summary>
    public bool IsTransient { get; init; }

    /// <summary>Names that the fault touches (a pack, a restore point, a host), for machines.</summary>
    public IReadOnlyDictionary<string, string> Context { get; init; } = new Dictionary<string, string>();

    /// <summary>Message and hint as one text for a log line or standard error.</summary>
    public string ToText() => Hint is null ? Message : $"{Message}\n  → {Hint}";
}
