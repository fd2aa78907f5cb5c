namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>What a backup knows before its first byte.</summary>
public sealed record BackupDescription
{
    /// <summary>The source's name.</summary>
    public required string Source { get; init; }

    /// <summary>The source's kind: <c>postgres</c>, <c>redis</c>, <c>vcluster</c>, <c>volume</c>, or <c>files</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The workspace that the source belongs to.</summary>
    public string? Workspace { get; init; }

    /// <summary>The source's protection class.</summary>
    public string? Class { get; init; }

    /// <summary>How it is taken, for example <c>logical</c>.</summary>
    public string? Strategy { get; init; }

    /// <summary>The machine that takes it.</summary>
    public string? HostName { get; init; }

    /// <summary>Tools and servers by name, with their versions.</summary>
    public IReadOnlyDictionary<string, string> ToolVersions { get; init; } = new Dictionary<string, string>();

    /// <summary>A restore point of the same source; files that did not change since are taken over from it.</summary>
    public RestorePointId? Parent { get; init; }

    /// <summary>How hard what is new is compressed.</summary>
    public Compression Compression { get; init; }

    /// <summary>When the backup began; the repository's clock where null.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>
    /// Called with the restore point's id once all but its manifest is stored; what it throws ends the commit, and there is no restore point.
    /// Whoever gives one looks after what a commit leaves that fails from then on: nothing is taken back by itself, since another process may
    /// have taken the work over meanwhile and count on it. Null: a commit that fails takes its manifest back.
    /// </summary>
    public Func<RestorePointId, CancellationToken, Task>? BeforeManifest { get; init; }
}
