using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// WAL on its way into the tiers of a repository: sealed when the first tier asks for it, and once for all of them, since the
/// tiers of a repository share their keys. The bytes must not change while it is stored.
/// </summary>
public sealed class WalObject
{
    private readonly Lock _lock = new();
    private byte[]? _sealed;

    internal WalObject(WalName name, ReadOnlyMemory<byte> plain) => (Name, Plain) = (name, plain);

    /// <summary>The object's key, for messages.</summary>
    public string Key => Name.Key;

    /// <summary>Bytes in the clear.</summary>
    public int Length => Plain.Length;

    internal WalName Name { get; }

    internal ReadOnlyMemory<byte> Plain { get; }

    /// <summary>A piece lives until its segment is whole, often less than a second: it is not worth the processor's time.</summary>
    private Compression HowHard => Name.Type == ObjectType.WalPiece ? Compression.Fast : Compression.Balanced;

    /// <summary>The sealed bytes; sealed anew for a tier that is in another encryption epoch.</summary>
    internal byte[] Seal(KeyRing keys)
    {
        lock (_lock)
        {
            return _sealed is { } known && Envelope.EpochOf(known) == keys.SealingEpoch ? known : _sealed = Envelope.Seal(keys, Name.Type, Name.Id, Plain.Span, HowHard);
        }
    }
}
