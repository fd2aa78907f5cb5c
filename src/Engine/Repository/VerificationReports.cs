using System.Globalization;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>A named object that is not as it was written.</summary>
/// <param name="Name">The object's key in the store, or the chunk.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record Damage(string Name, string Reason);

/// <summary>All packs of a restore point, re-read: name = SHA-256 of the bytes, and the length.</summary>
/// <param name="Packs">Packs looked at.</param>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Damaged">Damaged and missing packs.</param>
public sealed record PackReport(int Packs, long Bytes, IReadOnlyList<Damage> Damaged)
{
    /// <summary>True where nothing is damaged.</summary>
    public bool IsSound => Damaged.Count == 0;
}

/// <summary>How deep the verification of chunks goes; each layer needs the one before.</summary>
public enum ChunkLayer
{
    /// <summary>The AES-GCM tag.</summary>
    Encryption,

    /// <summary>Also the zstd frame with its length, and the HMAC that is the chunk's id.</summary>
    Content,
}

/// <summary>A chunk that cannot be had as it was stored.</summary>
/// <param name="Chunk">Hex chunk id.</param>
/// <param name="Pack">Hex name of the pack.</param>
/// <param name="Fault">The layer that failed.</param>
public sealed record ChunkDamage(string Chunk, string? Pack, BlobFault Fault);

/// <summary>The chunks of a restore point, verified one by one.</summary>
/// <param name="Chunks">Chunks looked at.</param>
/// <param name="Bytes">Their bytes as stored.</param>
/// <param name="Damaged">The first thousand that failed.</param>
/// <param name="EncryptionFaults">How many failed at the tag.</param>
/// <param name="CompressionFaults">How many failed at the frame or its length.</param>
/// <param name="IdentityFaults">How many had another HMAC.</param>
/// <param name="Missing">How many no pack holds.</param>
/// <param name="Unreachable">Lists or trees that could not be followed, so that chunks below them were not seen.</param>
public sealed record ChunkReport(
    long Chunks, long Bytes, IReadOnlyList<ChunkDamage> Damaged, long EncryptionFaults, long CompressionFaults, long IdentityFaults, long Missing,
    IReadOnlyList<Damage> Unreachable)
{
    /// <summary>True where nothing is damaged.</summary>
    public bool IsSound => EncryptionFaults + CompressionFaults + IdentityFaults + Missing + Unreachable.Count == 0;
}

/// <summary>How much a check reads.</summary>
public enum CheckLevel
{
    /// <summary>Keys, index, manifests, attestations, and that every pack that they lean on is there in its length.</summary>
    L1 = 1,

    /// <summary>Also the SHA-256 of every pack.</summary>
    L2 = 2,

    /// <summary>Also every chunk: tag, frame, HMAC.</summary>
    L3 = 3,
}

/// <summary>A deterministic share of the packs: number <paramref name="Number"/> of <paramref name="Total"/>, from 1.</summary>
public readonly record struct CheckSlice(int Number, int Total)
{
    /// <summary>Everything.</summary>
    public static CheckSlice All => new(1, 1);

    /// <summary>Reads <c>n/t</c>.</summary>
    /// <exception cref="EngineException">Kind Input where it is none.</exception>
    public static CheckSlice Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('/') is [var n, var t] && int.TryParse(n, out var number) && int.TryParse(t, out var total) && number >= 1 && number <= total
            ? new CheckSlice(number, total)
            : throw new EngineException("slice-invalid", ErrorKind.Input, $"'{text}' is no slice", "write it as n/t, for example 2/7");
    }

    internal bool Contains(string packName) =>
        uint.Parse(packName.AsSpan(0, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture) % (uint)Total == (uint)(Number - 1);
}

/// <summary>What a check reads.</summary>
public sealed record CheckOptions
{
    /// <summary>How much.</summary>
    public CheckLevel Level { get; init; } = CheckLevel.L2;

    /// <summary>Which packs.</summary>
    public CheckSlice Slice { get; init; } = CheckSlice.All;

    /// <summary>
    /// How long packs are read, those first that were not read for the longest time at this level; null for all of them. What
    /// was read is remembered in the tier, so that the next check goes on. Everything else is checked in any case.
    /// </summary>
    public TimeSpan? Budget { get; init; }

    /// <summary>
    /// Reads by turns, so that every byte is read within so many days however many calls there are: what was not read at this
    /// level for that long, and of the rest what waits longest, up to that share of all bytes. Null for everything.
    /// </summary>
    public int? TurnDays { get; init; }

    /// <summary>Other tiers of this repository, with whose WAL this one's is compared: what it has lost since shows only there.</summary>
    public IReadOnlyList<BackupRepository> Others { get; init; } = [];
}

/// <summary>A damaged object and the restore points that it hurts.</summary>
/// <param name="Name">The object's key in the store, or the chunk.</param>
/// <param name="Reason">What is wrong with it.</param>
/// <param name="RestorePoints">Those that cannot be restored whole because of it; empty where none leans on it.</param>
public sealed record CheckDamage(string Name, string Reason, IReadOnlyList<RestorePointId> RestorePoints)
{
    /// <summary>Of WAL: when the store had taken the bytes that were looked at; what is stored there later is not meant. Null for all else.</summary>
    public DateTimeOffset? StoredAt { get; init; }
}

/// <summary>How much of a repository was read back over all checks that the tier remembers, damaged packs not counted.</summary>
/// <param name="Objects">Packs and objects of WAL in the store.</param>
/// <param name="Read">Those that were read whole at the level, now or earlier.</param>
/// <param name="Oldest">When of those the one was read that waits longest; null where none was.</param>
public sealed record ReadCoverage(int Objects, int Read, DateTimeOffset? Oldest);

/// <summary>What a check found.</summary>
public sealed record CheckReport
{
    /// <summary>How much was read.</summary>
    public required CheckLevel Level { get; init; }

    /// <summary>Restore points whose manifest is whole.</summary>
    public required int RestorePoints { get; init; }

    /// <summary>Packs in the store.</summary>
    public required int Packs { get; init; }

    /// <summary>Packs that were read whole.</summary>
    public required int PacksRead { get; init; }

    /// <summary>Segments and pieces of WAL in the store.</summary>
    public int WalObjects { get; init; }

    /// <summary>Those of them that were read whole.</summary>
    public int WalObjectsRead { get; init; }

    /// <summary>Packs and WAL objects that were due and for which the time did not suffice; the next check with a budget begins with them.</summary>
    public int PacksLeft { get; init; }

    /// <summary>With a budget: when the pack that waits longest was last read at this level; null where one never was.</summary>
    public DateTimeOffset? OldestRead { get; init; }

    /// <summary>With a budget: what is read back of the whole repository, whatever the slice; null without.</summary>
    public ReadCoverage? Coverage { get; init; }

    /// <summary>Chunks that were decrypted, decompressed and compared.</summary>
    public required long ChunksRead { get; init; }

    /// <summary>Bytes of packs that were read.</summary>
    public required long BytesRead { get; init; }

    /// <summary>Everything that is not as it was written.</summary>
    public required IReadOnlyList<CheckDamage> Damaged { get; init; }

    /// <summary>What is worth knowing but hurts nothing.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Names of packs that were read now and are as they were written.</summary>
    internal IReadOnlySet<string> SoundPacks { get; init; } = new HashSet<string>();

    /// <summary>Keys of WAL objects that were known to be damaged, were opened now and are as their names say.</summary>
    public IReadOnlySet<string> SoundWal { get; init; } = new HashSet<string>();

    /// <summary>True where nothing is damaged.</summary>
    public bool IsSound => Damaged.Count == 0;
}

/// <summary>The keyless scrub of a store.</summary>
/// <param name="Objects">Objects read.</param>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Damaged">Those whose checksum does not fit.</param>
public sealed record ScrubReport(long Objects, long Bytes, IReadOnlyList<Damage> Damaged)
{
    /// <summary>True where nothing is damaged.</summary>
    public bool IsSound => Damaged.Count == 0;
}

/// <summary>A copy into another tier.</summary>
/// <param name="RestorePoints">Restore points that were copied.</param>
/// <param name="AlreadyThere">Restore points that the tier held before.</param>
/// <param name="Chunks">Chunks copied.</param>
/// <param name="ChunksAlreadyThere">Chunks that the tier held before.</param>
/// <param name="Bytes">Bytes of the copied chunks as stored.</param>
/// <param name="Attestations">Attestations copied.</param>
/// <param name="Expired">Restore points that were left out because the tier's retention gave them up.</param>
public sealed record CopyReport(int RestorePoints, int AlreadyThere, long Chunks, long ChunksAlreadyThere, long Bytes, int Attestations, int Expired)
{
    /// <summary>The WAL that was copied along; null where only some restore points were asked for.</summary>
    public WalCopyReport? Wal { get; init; }
}

/// <summary>The space of a repository, in bytes where not said otherwise.</summary>
public sealed record RepositoryStats
{
    /// <summary>Restore points.</summary>
    public required int RestorePoints { get; init; }

    /// <summary>Bytes of all restore points before deduplication and compression.</summary>
    public required long Bytes { get; init; }

    /// <summary>Distinct chunks.</summary>
    public required long Chunks { get; init; }

    /// <summary>Bytes of the distinct chunks in the clear.</summary>
    public required long UniqueBytes { get; init; }

    /// <summary>Packs.</summary>
    public required int Packs { get; init; }

    /// <summary>Bytes of all packs.</summary>
    public required long PackBytes { get; init; }

    /// <summary>Bytes of all index segments.</summary>
    public required long IndexBytes { get; init; }

    /// <summary>Bytes of all manifests.</summary>
    public required long ManifestBytes { get; init; }

    /// <summary>Attestations.</summary>
    public required int Attestations { get; init; }

    /// <summary>Objects below <c>wal/</c>.</summary>
    public required int WalObjects { get; init; }

    /// <summary>Bytes of them.</summary>
    public required long WalBytes { get; init; }

    /// <summary>Bytes of everything in the store.</summary>
    public required long TotalBytes { get; init; }
}
