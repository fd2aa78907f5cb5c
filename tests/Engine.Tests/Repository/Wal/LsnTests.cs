using CsCheck;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

public sealed class LsnTests
{
    [Theory]
    [InlineData("0/16B3748", 0x16B3748UL)]
    [InlineData("1/0", 0x1_0000_0000UL)]
    [InlineData("FFFFFFFF/FFFFFFFF", ulong.MaxValue)]
    [InlineData("a/b", 0xA_0000_000BUL)]
    public void Parse_reads_what_servers_print(string text, ulong value) => Assert.Equal(value, Lsn.Parse(text).Value);

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("/0")]
    [InlineData("0/")]
    [InlineData("0/123456789")]
    [InlineData("123456789/0")]
    [InlineData("0/0/0")]
    [InlineData("-1/0")]
    [InlineData(" 0/0")]
    [InlineData("0x1/0")]
    [InlineData("g/0")]
    public void Parse_refuses_what_is_none(string text)
    {
        Assert.False(Lsn.TryParse(text, out _));
        Assert.Equal("lsn-invalid", Assert.Throws<EngineException>(() => Lsn.Parse(text)).Code);
    }

    [Fact]
    public void Every_number_prints_and_reads_back() => Gen.ULong.Sample(value => Lsn.Parse(new Lsn(value).ToString()).Value == value);

    [Theory]
    [InlineData(16, 1, 0x2B, "00000001000000000000002B")]
    [InlineData(16, 2, 256, "000000020000000100000000")]
    [InlineData(1, 1, 4095, "000000010000000000000FFF")]
    [InlineData(1, 1, 4096, "000000010000000100000000")]
    [InlineData(1024, 1, 7, "000000010000000100000003")]
    public void Segment_files_have_the_names_that_PostgreSQL_gives_them(int mebibytes, uint timeline, ulong segment, string name) =>
        Assert.Equal(name, new WalSegmentSize(mebibytes << 20).FileName(timeline, segment));

    [Fact]
    public void Segment_names_and_places_read_back_for_every_size() =>
        Gen.Select(Gen.Int[20, 30], Gen.UInt, Gen.ULong).Sample((log, timeline, lsn) =>
        {
            var size = new WalSegmentSize(1 << log);
            var segment = size.SegmentOf(lsn);
            return size.TryParseFileName(size.FileName(timeline, segment), out var t, out var s) && t == timeline && s == segment
                && size.StartOf(segment) + (ulong)size.OffsetOf(lsn) == lsn;
        });

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(3 << 20)]
    [InlineData(1 << 19)]
    [InlineData(int.MinValue)]
    public void Sizes_that_no_cluster_has_are_refused(int bytes) =>
        Assert.Equal("wal-segment-size", Assert.Throws<EngineException>(() => new WalSegmentSize(bytes)).Code);

    [Theory]
    [InlineData("00000001000000000000002b")]
    [InlineData("00000001000000000000002")]
    [InlineData("000000010000000000000100")]
    [InlineData("00000002.history")]
    public void Names_of_other_files_are_no_segments(string name) => Assert.False(new WalSegmentSize(16 << 20).TryParseFileName(name, out _, out _));

    [Fact]
    public void Keys_of_all_kinds_read_back() =>
        Gen.Select(Gen.UInt, Gen.ULong, Gen.Int[0, (1 << 30) - 1], Gen.Int[1, 1000]).Sample((timeline, segment, from, length) =>
        {
            var stream = new string('a', 32);
            var to = Math.Min(from + length, 1 << 30);
            WalName[] names =
            [
                WalName.OfStream(stream), WalName.OfHistory(stream, timeline, "0123456789abcdef"), WalName.OfHorizon(stream, timeline, segment),
                WalName.OfSegment(stream, timeline, segment, 0, "0123456789abcdef"), WalName.OfPiece(stream, timeline, segment, from, to, "0123456789abcdef"),
            ];
            return names.All(name => WalName.TryParse(name.Key) == name) && names.Select(name => name.Id).Distinct().Count() == names.Length;
        });

    [Theory]
    [InlineData("wal/x")]
    [InlineData("wal/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/other")]
    [InlineData("wal/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/00000001/0000000000000001")]
    [InlineData("wal/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/00000001/0000000000000001.00000005-00000005.0123456789abcdef")]
    [InlineData("wal/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/00000001/0000000000000001.00000005-0000000x.0123456789abcdef")]
    [InlineData("packs/aa/bb")]
    public void Keys_of_other_objects_are_no_names(string key) => Assert.Null(WalName.TryParse(key));

    [Fact]
    public void History_reads_what_a_server_wrote()
    {
        var history = TimelineHistory.Parse(3, "1\t0/3000148\tno recovery target specified\n\n# a comment\n2\t0/5000000\tbefore 2026-11-24\n"u8);
        Assert.Equal([new TimelineSwitch(1, 0x3000148), new TimelineSwitch(2, 0x5000000)], history.Ancestors);
        Assert.Equal((2u, 0x5000000UL), (history.ParentTimeline, history.SwitchLsn));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense\n")]
    [InlineData("3\t0/1\tlater than itself\n")]
    [InlineData("2\t0/1\tx\n1\t0/2\tx\n")]
    [InlineData("1\t0/5\tx\n2\t0/2\tx\n")]
    public void History_that_is_none_is_refused(string text) =>
        Assert.Equal("timeline-history-invalid", Assert.Throws<EngineException>(() => TimelineHistory.Parse(3, System.Text.Encoding.UTF8.GetBytes(text))).Code);
}
