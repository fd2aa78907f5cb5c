namespace Hexabase.DrConsole.Engine.RedisProtocol;

/// <summary>A value as <c>DUMP</c> gives it.</summary>
internal static class RdbValue
{
    // The format's version and a checksum.
    private const int FooterBytes = 10;

    /// <summary>The digest of its content, the same as a snapshot's reader computes.</summary>
    /// <exception cref="EngineException"><c>redis-rdb-damaged</c>, <c>redis-type-unknown</c>.</exception>
    public static UInt128 DigestOf(byte[] payload)
    {
        using var input = new RdbInput(new MemoryStream(payload, 1, Math.Max(0, payload.Length - 1 - FooterBytes), writable: false));
        using var reader = new RdbValueReader(input);
        return reader.Read(payload[0]);
    }
}
