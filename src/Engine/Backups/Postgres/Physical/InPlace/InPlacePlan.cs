using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>How a restore takes an existing data directory's place.</summary>
public enum InPlaceForm
{
    /// <summary>
    /// The new cluster is recovered and verified beside the old one, which is renamed aside only then. Needs the room of both;
    /// the way back is two renames and exact for as long as the old directory is kept.
    /// </summary>
    Aside,

    /// <summary>
    /// Files that are right already stay and are not fetched; others are moved aside. The way back is exact until a server
    /// first writes; after that it puts the same files back and loses what the server wrote.
    /// </summary>
    Delta,
}

/// <summary>A restore over an existing data directory whose server does not run.</summary>
/// <param name="Repository">Where the restore point and its WAL are read from.</param>
/// <param name="RestorePoint">A physical backup.</param>
/// <param name="Target">
/// The existing directory, the moment, and the port on which the server is started in the end with the configuration that the
/// directory had; without a port it is left stopped.
/// </param>
/// <param name="Form">How.</param>
/// <param name="RunName">Names what is put aside: letters, digits, <c>.</c>, <c>_</c>, <c>-</c>; one name for one execution, on all consoles.</param>
public sealed record InPlaceOrder(BackupRepository Repository, Manifest RestorePoint, PgDataTarget Target, InPlaceForm Form, string RunName)
{
    /// <summary>Where the old directory, or the files that were not right, are kept.</summary>
    public string AsidePath => $"{Target.Path}.aside-{RunName}";

    /// <summary>Where an undo puts what the restore had made.</summary>
    public string UndonePath => $"{Target.Path}.undone-{RunName}";

    /// <summary>Where the new cluster's tablespaces are; the old one's stay untouched at their own places.</summary>
    public string TablespacesPath => $"{Target.Path}.tablespaces-{RunName}";
}

/// <summary>A number of files and their bytes.</summary>
public readonly record struct InPlaceAmount(long Files, long Bytes);

/// <summary>What a restore in place would do, found out without changing anything.</summary>
/// <param name="Form">How.</param>
/// <param name="Directory">The data directory.</param>
/// <param name="AsidePath">Where what is there now goes.</param>
/// <param name="RunningServer">The process that works in the directory now; with one it is not executed. Null for none.</param>
/// <param name="Kept">Files that are right already.</param>
/// <param name="Fetched">Files that are written.</param>
/// <param name="MovedAside">Files of the old directory that are moved aside, extra ones among them.</param>
/// <param name="Notes">What a person should know before.</param>
public sealed record InPlacePlan(
    InPlaceForm Form, string Directory, string AsidePath, int? RunningServer, InPlaceAmount Kept, InPlaceAmount Fetched, InPlaceAmount MovedAside, IReadOnlyList<string> Notes);

/// <summary>What a restore in place yielded.</summary>
/// <param name="Directory">The data directory, recovered and verified.</param>
/// <param name="AsidePath">Where what was there is kept.</param>
/// <param name="Phases">Fetch, unpack, replay, verify: measured; empty where an interrupted attempt had done it.</param>
/// <param name="LastTransaction">Time of the last commit that was replayed, as the server logged it; null where there was none.</param>
/// <param name="Warnings">What a person should know.</param>
public sealed record InPlaceResult(string Directory, string AsidePath, IReadOnlyList<RestorePhase> Phases, string? LastTransaction, IReadOnlyList<string> Warnings);

/// <summary>What an undo did.</summary>
/// <param name="Changed">False where there was nothing to undo.</param>
/// <param name="IsExact">True where the directory is, file by file, what it was; false where nothing was to be undone.</param>
/// <param name="UndonePath">Where what the restore had made is kept; null where there is nothing.</param>
/// <param name="Text">The same as a sentence.</param>
public sealed record InPlaceUndo(bool Changed, bool IsExact, string? UndonePath, string Text);
