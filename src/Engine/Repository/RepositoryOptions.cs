namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How a repository is made and worked with; nothing of it changes what can be read later.</summary>
public sealed record RepositoryOptions
{
    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>What one guess at the passphrase costs, for a new key slot.</summary>
    public KeyDerivation KeyDerivation { get; init; } = KeyDerivation.Default;

    /// <summary>Chunks in work, and files read, at the same time.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount + 2;

    /// <summary>
    /// How long a writer that fell silent still counts as alive; it renews four times as often. Prune waits so long for a
    /// killed one, and a writer that was silent for longer must not rely on packs that were marked meanwhile.
    /// </summary>
    public TimeSpan SessionLife { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>What names a repository.</summary>
/// <param name="Id">The same in every tier.</param>
/// <param name="FormatVersion">The version of the format it is written in.</param>
/// <param name="Url">The store's URL.</param>
public sealed record RepositoryInfo(Guid Id, int FormatVersion, string Url);

/// <summary>The restore points of a repository, and the manifests that could not be read.</summary>
/// <param name="Points">Oldest first.</param>
/// <param name="Damaged">Names and reasons of unreadable manifests.</param>
public sealed record RestorePointList(IReadOnlyList<Manifest> Points, IReadOnlyList<string> Damaged);
