namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>
/// What a blob or an object holds. The number is part of the authenticated data, so one kind cannot be passed off as another.
/// Numbers are never used again for something else.
/// </summary>
internal enum ObjectType : byte
{
    /// <summary>A piece of a stream's or a file's content.</summary>
    Stream = 1,

    /// <summary>A list of chunks, or of further lists.</summary>
    ChunkList = 2,

    /// <summary>A piece of the node stream of a file tree.</summary>
    FileTree = 3,

    /// <summary>Reserved and not written: WAL is kept in objects of its own, not in packs.</summary>
    WalStream = 4,

    /// <summary>Reserved: changed pages against a parent's chunk.</summary>
    PageDelta = 5,

    /// <summary>The blob table at the end of a pack.</summary>
    PackTrailer = 16,

    /// <summary>A sorted segment of the index.</summary>
    IndexSegment = 17,

    /// <summary>The manifest of a restore point.</summary>
    Manifest = 18,

    /// <summary>A validation, a hold or a drill's use, kept beside the restore points.</summary>
    Attestation = 19,

    /// <summary>What a running writer says of itself, so that prune waits for it.</summary>
    Session = 20,

    /// <summary>Packs that nobody may lean on any more, or restore points that this tier gave up.</summary>
    PruneMark = 21,

    /// <summary>The secrets of the epochs before the one in which it is sealed.</summary>
    EpochSecrets = 22,

    /// <summary>When each pack of this tier was last read by a check; only a hint.</summary>
    CheckMemory = 23,

    /// <summary>A whole segment of a PostgreSQL cluster's write-ahead log.</summary>
    WalSegment = 24,

    /// <summary>A part of a segment that is not full yet; superseded by the whole one, or by a larger piece.</summary>
    WalPiece = 25,

    /// <summary>A timeline history file of PostgreSQL.</summary>
    TimelineHistory = 26,

    /// <summary>What a stream of WAL is: source, system identifier, segment size, server version.</summary>
    WalStreamInfo = 27,

    /// <summary>Up to where this tier gave the WAL of a timeline up.</summary>
    WalHorizon = 28,

    /// <summary>Objects of WAL in this tier that a check found damaged.</summary>
    WalDamage = 29,
}

internal static class ObjectTypes
{
    /// <summary>True for what version 1 may find inside a pack.</summary>
    public static bool IsBlob(ObjectType type) => type is ObjectType.Stream or ObjectType.ChunkList or ObjectType.FileTree;

    /// <summary>Content goes to data packs; lists and trees, which every walk needs, to metadata packs.</summary>
    public static PackKind PackOf(ObjectType type) => type == ObjectType.Stream ? PackKind.Data : PackKind.Metadata;
}

/// <summary>Which of the two sorts of pack a blob lies in.</summary>
internal enum PackKind : byte
{
    Data = 1,
    Metadata = 2,
}
