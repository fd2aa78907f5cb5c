using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using CsCheck;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Repository.Trees;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Round trips, and the vectors that docs/repository-format.md prints (made by another implementation).</summary>
public sealed class FormatTests : IDisposable
{
    private readonly KeyRing _keys = new(Guid.ParseExact("00112233445566778899aabbccddeeff", "N"), [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

    public void Dispose() => _keys.Dispose();

    [Fact]
    public void Vectors_of_the_specification_hold()
    {
        Assert.Equal("93c666a33450b6e3f6d9ac562c827216eb11d1fe0f987e85007b4f51d73d22cc", _keys.IdentityOf("hello"u8).ToString());
        Assert.Equal("8e9fd5d8b7dcf85d64bed2657fec3c27", Convert.ToHexStringLower(_keys.GearSeed[..16]));
        Assert.Equal("1ca40e20ed1a50e45cd160cb99ca436229e716cafe59f07d9affaa142896f34f", Convert.ToHexStringLower(SHA256.HashData(_keys.GearSeed)));
        AssertCipherHasKey(_keys.BlobCipher(_keys.IdentityOf("hello"u8), 0), "ee7ea3e81e39f11ecd8f60cca6b1993e05a48ad761ede89b52a5a9b3855418d7");
        AssertCipherHasKey(
            _keys.ObjectCipher([.. Enumerable.Range(0, 32).Select(i => (byte)i)], 0), "feceafb0548a745bf5d462fafe2583113df7b87460be6070f2d51be9bd94b83d");
    }

    [Fact]
    public void Chunk_boundaries_of_the_specification_hold()
    {
        var content = new byte[20_000_000];
        var state = 1UL;
        for (var i = 0; i < content.Length; i++)
        {
            state = unchecked((state * 6364136223846793005UL) + 1442695040888963407UL);
            content[i] = (byte)(state >> 56);
        }

        Assert.Equal("d1c7f4f65b033081596fb680803517149a844dbc2a0b51b3a4d1c62216c2129a", Convert.ToHexStringLower(SHA256.HashData(content)));
        var chunker = new GearChunker(_keys.GearSeed, ChunkerProfile.Content);
        var lengths = new List<int>();
        for (var at = 0; at < content.Length; at += lengths[^1])
        {
            var cut = chunker.FindCut(content.AsSpan(at));
            lengths.Add(cut > 0 ? cut : content.Length - at);
        }

        Assert.Equal([2099990, 2337436, 2512637, 2220645, 2399229, 2315973, 2166518, 2356776, 1590796], lengths);
    }

    [Fact]
    public void Blob_any_content_round_trips() =>
        Gen.Select(Gen.Byte.Array[0, 5000], Gen.Bool).Sample((bytes, isDull) =>
        {
            var plain = isDull ? new byte[bytes.Length] : bytes;
            var id = _keys.IdentityOf(plain);
            using var blob = BlobCodec.Seal(_keys, ObjectType.Stream, id, plain);
            Assert.True(blob.Length <= plain.Length + BlobCodec.Overhead);
            Assert.Equal(BlobFault.None, BlobCodec.TryOpen(_keys, ObjectType.Stream, id, blob.Writable, out var opened));
            using (opened)
            {
                Assert.True(opened.Span.SequenceEqual(plain));
            }
        });

    [Fact]
    public void Object_any_content_round_trips_and_any_flipped_bit_is_refused() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[0, int.MaxValue], Gen.Int[0, 7]).Sample((plain, position, bit) =>
        {
            var id = Guid.NewGuid();
            var bytes = Envelope.Seal(_keys, ObjectType.Manifest, id, plain);
            Assert.Equal(plain, Envelope.Open(_keys, ObjectType.Manifest, id, "x", bytes));
            bytes[position % bytes.Length] ^= (byte)(1 << bit);
            Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => Envelope.Open(_keys, ObjectType.Manifest, id, "x", bytes)).Kind);
        });

    [Fact]
    public void Index_segment_round_trips()
    {
        var source = new ChunkIndex();
        var packs = Enumerable.Range(0, 3).Select(i => source.AddPack(Convert.ToHexStringLower(SHA256.HashData([(byte)i])), PackKind.Data, 1000 + i)).ToList();
        var entries = Enumerable.Range(0, 5000)
            .Select(i => new BlobLocation(_keys.IdentityOf(BitConverter.GetBytes(i)), ObjectType.Stream, i % 3, (uint)i, 10, 20)).OrderBy(e => e.Id).ToList();
        var id = Guid.NewGuid();
        var bytes = IndexSegment.Encode(_keys, id, packs, entries);
        var read = new ChunkIndex();
        IndexSegment.AddTo(read, _keys, id, "x", bytes);
        Assert.Equal(entries, read.All());
        Assert.Equal(packs.Select(p => (p.Name, p.Length)), read.Packs.Select(p => (p.Name, p.Length)));
        Assert.All(entries, e => Assert.Equal(e, Assert.Single(read.Find(e.Id, e.Type))));
        Assert.Empty(read.Find(entries[0].Id, ObjectType.FileTree));
    }

    [Fact]
    public void Tree_node_round_trips()
    {
        var node = new TreeNode
        {
            Kind = TreeNodeKind.File,
            Path = [0xFF, (byte)'/', 1],
            Mode = 0xFFF,
            User = uint.MaxValue,
            Group = 7,
            Modified = new FileTime(-1, 999_999_999),
            Changed = new FileTime(long.MaxValue, 0),
            Inode = ulong.MaxValue,
            Device = 5,
            Links = 2,
            Attributes = [new ExtendedAttribute("user.x"u8.ToArray(), [0, 255])],
            Size = 1L << 40,
            Content = new ContentRoot(2, _keys.IdentityOf("x"u8), 77),
            Extents = [new Extent(0, 70), new Extent(1L << 39, 7)],
        };
        var output = new ArrayBufferWriter<byte>();
        TreeNodeCodec.Write(output, node, new ArrayBufferWriter<byte>());
        Assert.Equal((uint)output.WrittenCount - 4, BinaryPrimitives.ReadUInt32LittleEndian(output.WrittenSpan));
        var read = TreeNodeCodec.Read(output.WrittenSpan[4..]);
        Assert.Equivalent(node, read, strict: true);
        for (var length = 1; length < output.WrittenCount - 4; length++)
        {
            var cut = output.WrittenSpan.Slice(4, length).ToArray();
            Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => TreeNodeCodec.Read(cut)).Kind);
        }

        Assert.Equal(ErrorKind.Unsupported, Assert.Throws<EngineException>(() => TreeNodeCodec.Read([99])).Kind);
    }

    [Fact]
    public void Paths_sort_depth_first()
    {
        string[] sorted = ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.b", "ab", "b"];
        var bytes = sorted.Select(System.Text.Encoding.UTF8.GetBytes).ToList();
        for (var i = 0; i < bytes.Count; i++)
        {
            for (var j = 0; j < bytes.Count; j++)
            {
                Assert.Equal(Math.Sign(i.CompareTo(j)), Math.Sign(TreeNode.ComparePaths(bytes[i], bytes[j])));
            }
        }
    }

    private static void AssertCipherHasKey(AesGcm cipher, string hex)
    {
        using var expected = new AesGcm(Convert.FromHexString(hex), 16);
        byte[] nonce = new byte[12], plain = new byte[16], tag = new byte[16], sealedBytes = new byte[16];
        using (cipher)
        {
            cipher.Encrypt(nonce, plain, sealedBytes, tag);
        }

        expected.Decrypt(nonce, sealedBytes, tag, plain);
        Assert.Equal(new byte[16], plain);
    }
}
