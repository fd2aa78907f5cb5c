namespace Hexabase.DrConsole.Engine;

/// <summary>How far a long transfer is. Reported at least once a second; totals are null while they are unknown.</summary>
/// <param name="Phase">What is being done, in a word or two: <c>dump</c>, <c>read</c>, <c>restore</c>.</param>
/// <param name="ItemsDone">Files, tables or packs finished.</param>
/// <param name="ItemsTotal">How many there are in all.</param>
/// <param name="BytesDone">Bytes of the source (before compression) handled.</param>
/// <param name="BytesTotal">Bytes in all. An estimate where <paramref name="IsEstimate"/> is set.</param>
/// <param name="IsEstimate">True where the totals are not counted but estimated.</param>
public readonly record struct TransferProgress(
    string Phase, long ItemsDone, long? ItemsTotal, long BytesDone, long? BytesTotal, bool IsEstimate = false);
