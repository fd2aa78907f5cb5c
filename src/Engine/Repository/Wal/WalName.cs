using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// The key of an object below <c>wal/</c>. It says everything that a listing needs, and for WAL and histories also a digest of
/// the plaintext: two writers whose bytes differ can never replace one another's objects, the same bytes are one object, and
/// tiers are compared by their listings.
/// </summary>
internal readonly record struct WalName(string Stream, ObjectType Type, uint Timeline, ulong Segment, int From, int To, string Digest)
{
    public const string Prefix = "wal/";
    private const int StreamLength = 32;
    private const int DigestLength = 16;

    public static string FolderOf(string stream) => $"{Prefix}{stream}/";

    public static string FolderOf(string stream, uint timeline) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{stream}/{timeline:x8}/");

    /// <summary>What every object of a segment begins with: the whole one and its pieces.</summary>
    public static string FolderOf(string stream, uint timeline, ulong segment) => string.Create(CultureInfo.InvariantCulture, $"{FolderOf(stream, timeline)}{segment:x16}.");

    public static WalName OfStream(string stream) => new(stream, ObjectType.WalStreamInfo, 0, 0, 0, 0, "");

    public static WalName OfHistory(string stream, uint timeline, string digest) => new(stream, ObjectType.TimelineHistory, timeline, 0, 0, 0, digest);

    /// <summary>The horizon of a timeline: what lies before that LSN was given up. The LSN stands where others have a segment.</summary>
    public static WalName OfHorizon(string stream, uint timeline, ulong lsn) => new(stream, ObjectType.WalHorizon, timeline, lsn, 0, 0, "");

    /// <summary>A note of this tier about damaged WAL; its number stands where others have a segment.</summary>
    public static WalName OfDamage(string stream, ulong number) => new(stream, ObjectType.WalDamage, 0, number, 0, 0, "");

    public static WalName OfSegment(string stream, uint timeline, ulong segment, int bytes, string digest) =>
        new(stream, ObjectType.WalSegment, timeline, segment, 0, bytes, digest);

    public static WalName OfPiece(string stream, uint timeline, ulong segment, int from, int to, string digest) =>
        new(stream, ObjectType.WalPiece, timeline, segment, from, to, digest);

    public bool IsWal => Type is ObjectType.WalSegment or ObjectType.WalPiece;

    public string Key => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Stream}/{Rest}");

    /// <summary>The id in the object's header: a renamed object does not open.</summary>
    public Guid Id => new(SHA256.HashData(Encoding.ASCII.GetBytes(Key)).AsSpan(0, 16), bigEndian: true);

    private string Rest => Type switch
    {
        ObjectType.WalStreamInfo => "stream",
        ObjectType.TimelineHistory => string.Create(CultureInfo.InvariantCulture, $"{Timeline:x8}.{Digest}.history"),
        ObjectType.WalHorizon => string.Create(CultureInfo.InvariantCulture, $"{Timeline:x8}.{Segment:x16}.horizon"),
        ObjectType.WalDamage => string.Create(CultureInfo.InvariantCulture, $"{Segment:x16}.damage"),
        ObjectType.WalSegment => string.Create(CultureInfo.InvariantCulture, $"{Timeline:x8}/{Segment:x16}.{Digest}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Timeline:x8}/{Segment:x16}.{From:x8}-{To:x8}.{Digest}"),
    };

    /// <summary>Reads a key. Of a whole segment the length is not in the name: <see cref="To"/> is then 0.</summary>
    public static WalName? TryParse(string key)
    {
        if (!key.StartsWith(Prefix, StringComparison.Ordinal) || key.Split('/') is not { Length: 3 or 4 } parts || !IsHex(parts[1], StreamLength))
        {
            return null;
        }

        var (stream, last) = (parts[1], parts[^1].Split('.'));
        if (parts.Length == 3)
        {
            return last switch
            {
                ["stream"] => OfStream(stream),
                [var number, var digest, "history"] when IsHex(number, 8) && IsHex(digest, DigestLength) => OfHistory(stream, (uint)Number(number), digest),
                [var number, var lsn, "horizon"] when IsHex(number, 8) && IsHex(lsn, 16) => OfHorizon(stream, (uint)Number(number), Number(lsn)),
                [var number, "damage"] when IsHex(number, 16) => OfDamage(stream, Number(number)),
                _ => null,
            };
        }

        if (!IsHex(parts[2], 8) || !IsHex(last[0], 16) || !IsHex(last[^1], DigestLength))
        {
            return null;
        }

        var (timeline, segment) = ((uint)Number(parts[2]), Number(last[0]));
        return last switch
        {
            [_, var digest] => OfSegment(stream, timeline, segment, 0, digest),
            [_, var range, var digest] when range.Split('-') is [var from, var to] && IsHex(from, 8) && IsHex(to, 8) && Number(from) < Number(to) && Number(to) <= 1 << 30 =>
                OfPiece(stream, timeline, segment, (int)Number(from), (int)Number(to), digest),
            _ => null,
        };
    }

    private static bool IsHex(string text, int length) => text.Length == length && text.All(char.IsAsciiHexDigitLower);

    private static ulong Number(string hex) => ulong.Parse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
