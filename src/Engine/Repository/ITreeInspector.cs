namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>
/// Looks at the files of a tree while they are stored, so that what a driver wants to know of their bytes (checksums, damaged
/// pages) costs no second reading. Called from several threads at once.
/// </summary>
public interface ITreeInspector
{
    /// <summary>A file is about to be read; called again where one that grew is read anew.</summary>
    /// <param name="path">Below the tree's root, as <see cref="PathText"/>.</param>
    /// <returns>Who looks at its bytes; null where nobody does.</returns>
    IFileInspector? Open(string path);

    /// <summary>A file is as it was in the parent restore point and is not read.</summary>
    /// <param name="path">Below the tree's root, as <see cref="PathText"/>.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="modified">Its time of modification.</param>
    void TakenOver(string path, long bytes, DateTimeOffset modified);
}

/// <summary>Looks at one file's bytes, in order and one call at a time.</summary>
public interface IFileInspector
{
    /// <summary>
    /// True for a file of pages that change in place: it is cut at fixed places, so that a changed page stores one chunk anew
    /// and never moves the cuts behind it.
    /// </summary>
    bool IsPaged { get; }

    /// <summary>The next bytes.</summary>
    void Append(ReadOnlySpan<byte> bytes);

    /// <summary>Bytes of a file of pages are as they were in the parent restore point; told in order, after <see cref="Append"/> had them.</summary>
    void Same(long offset, long length);

    /// <summary>The file is stored.</summary>
    /// <param name="bytes">Its length as it was read.</param>
    /// <param name="modified">Its time of modification when it was found.</param>
    void Complete(long bytes, DateTimeOffset modified);
}
