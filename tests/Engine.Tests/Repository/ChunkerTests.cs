using CsCheck;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class ChunkerTests
{
    private static readonly ChunkerProfile Small = new(256, 1024, 4096);
    private static readonly byte[] Seed = Noise(2048, 99);

    private static readonly Gen<byte[]> Content = Gen.Select(Gen.Int[0, 40_000], Gen.Int[0, 1000], Gen.Int[1, 256], (length, seed, letters) =>
    {
        var bytes = Noise(length, seed);
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(bytes[i] % letters);
        }

        return bytes;
    });

    [Fact]
    public void Chunks_together_are_the_content_and_keep_their_bounds() =>
        Content.Sample(bytes =>
        {
            var lengths = Cut(bytes, bytes.Length + 1);
            Assert.Equal(bytes.Length, lengths.Sum());
            Assert.All(lengths, length => Assert.InRange(length, 1, Small.Maximum));
            Assert.All(lengths.SkipLast(1), length => Assert.True(length > Small.Minimum));
        });

    [Fact]
    public void Cuts_do_not_depend_on_how_the_bytes_arrive() =>
        Gen.Select(Content, Gen.Int[1, 5000]).Sample((bytes, step) => Assert.Equal(Cut(bytes, bytes.Length + 1), Cut(bytes, step)));

    [Fact]
    public void Cuts_come_back_after_an_insertion() =>
        Gen.Select(Gen.Int[1, 1000], Gen.Int[1, 300]).Sample((seed, inserted) =>
        {
            var before = Noise(200_000, seed);
            byte[] after = [.. before[..50_000], .. Noise(inserted, seed + 1), .. before[50_000..]];
            var known = Ends(before).Select(end => end - before.Length).ToHashSet();
            var shared = Ends(after).Count(end => known.Contains(end - after.Length));
            Assert.True(shared > 60, $"only {shared} cuts behind the insertion are the same");
        });

    [Fact]
    public void Lengths_gather_around_the_normal_length()
    {
        var lengths = Cut(Noise(4_000_000, 5), 4_000_001);
        Assert.InRange(lengths.Average(), 900, 1500);
    }

    private static List<int> Ends(byte[] bytes)
    {
        var at = 0;
        return [.. Cut(bytes, bytes.Length + 1).Select(length => at += length)];
    }

    /// <summary>Lengths of the chunks when <paramref name="step"/> bytes come at a time.</summary>
    private static List<int> Cut(byte[] bytes, int step)
    {
        var chunker = new GearChunker(Seed, Small);
        var lengths = new List<int>();
        var (start, known) = (0, 0);
        while (start < bytes.Length)
        {
            var cut = chunker.FindCut(bytes.AsSpan(start, known - start));
            if (cut > 0)
            {
                lengths.Add(cut);
                start += cut;
            }
            else if (known < bytes.Length)
            {
                known = Math.Min(bytes.Length, known + step);
            }
            else
            {
                lengths.Add(bytes.Length - start);
                break;
            }
        }

        return lengths;
    }
}
