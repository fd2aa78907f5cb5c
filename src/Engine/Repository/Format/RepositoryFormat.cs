namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>Constants of format version 1; <c>docs/repository-format.md</c> is their specification.</summary>
internal static class RepositoryFormat
{
    /// <summary>The version this build writes, and the only one that it reads.</summary>
    public const ushort Version = 1;

    /// <summary>The last encryption epoch: objects carry theirs in one byte.</summary>
    public const uint MaxEpoch = 255;

    /// <summary>No blob is longer than this in the clear, so a forged length can never make a reader allocate more.</summary>
    public const int MaxBlobLength = 16 * 1024 * 1024;

    /// <summary>A pack is closed as soon as it holds this many bytes.</summary>
    public const int PackTargetLength = 32 * 1024 * 1024;

    /// <summary>A pack is closed when it holds this many blobs, so that the trailer of a pack of tiny files stays small.</summary>
    public const int PackMaxBlobs = 65_536;

    /// <summary>No segment of the index holds more entries than this.</summary>
    public const int SegmentMaxEntries = 400_000;

    public static ReadOnlySpan<byte> ObjectMagic => "HXDRCOBJ"u8;

    public static ReadOnlySpan<byte> KeyMagic => "HXDRKEYS"u8;

    public static ReadOnlySpan<byte> PackMagic => "HXDRPACK"u8;

    public static ReadOnlySpan<byte> TailMagic => "HXDRTAIL"u8;

    public static EngineException UnknownVersion(string what, int version) => new(
        "unknown-format-version",
        ErrorKind.Unsupported,
        $"{what} has format version {version}; this build reads version {Version}",
        "use the release of drconsole that wrote it, or a newer one; nothing was changed");

    public static EngineException UnknownType(string what, string type) => new(
        "unknown-object-type",
        ErrorKind.Unsupported,
        $"{what} has the type {type}, which this build does not know",
        "use the release of drconsole that wrote it, or a newer one; nothing was changed");
}
