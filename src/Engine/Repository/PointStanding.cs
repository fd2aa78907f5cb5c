namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>How much of what a restore point leans on a repository has.</summary>
public enum PointStanding
{
    /// <summary>All of it, in packs that are whole as far as is known and not about to be deleted.</summary>
    Whole,

    /// <summary>All of it is there, but some lies in packs that are marked or known to be damaged, or could not be read just now.</summary>
    Doubtful,

    /// <summary>Some of it is not there.</summary>
    Lacking,
}
