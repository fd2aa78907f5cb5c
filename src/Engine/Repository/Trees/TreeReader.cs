using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>Reads a tree's nodes in their order while further chunks of the node stream are fetched.</summary>
internal static class TreeReader
{
    private const int BatchLength = 256;
    private const int BatchesAhead = 16;

    /// <summary>The nodes of a tree artifact; their order and paths are checked, since a restore trusts them.</summary>
    /// <exception cref="EngineException">Kind Damaged, or Unsupported where the artifact is of another type.</exception>
    public static async IAsyncEnumerable<TreeNode> ReadAsync(
        RepositoryParts parts, StoredArtifact artifact, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var batch in ReadBatchesAsync(parts, artifact, ct))
        {
            foreach (var node in batch)
            {
                yield return node;
            }
        }
    }

    /// <summary>The same in batches: handing over each node alone would cost more than reading it.</summary>
    public static async IAsyncEnumerable<List<TreeNode>> ReadBatchesAsync(
        RepositoryParts parts, StoredArtifact artifact, [EnumeratorCancellation] CancellationToken ct)
    {
        if (artifact.Type != StoredArtifact.TreeType)
        {
            throw RepositoryFormat.UnknownType($"artifact '{artifact.Name}'", $"'{artifact.Type}' where '{StoredArtifact.TreeType}' belongs");
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var batches = Channel.CreateBounded<List<TreeNode>>(new BoundedChannelOptions(BatchesAhead) { SingleReader = true, SingleWriter = true });
        var decoder = new Decoder(batches.Writer);
        var reading = DecodeAsync(parts, artifact, decoder, stop.Token);
        try
        {
            await foreach (var batch in batches.Reader.ReadAllAsync(ct))
            {
                yield return batch;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task DecodeAsync(RepositoryParts parts, StoredArtifact artifact, Decoder decoder, CancellationToken ct)
    {
        // Whatever ends this early must reach the reader: a tree that merely stops would look complete.
        Exception? failure = new UnreachableException("the node stream ended without a result");
        try
        {
            await parts.ReadHashedAsync(artifact, ObjectType.FileTree, bytes => decoder.AddAsync(bytes, ct), ct);
            await decoder.FinishAsync(ct);
            failure = null;
        }
        catch (Exception error) when (error is EngineException or OperationCanceledException)
        {
            failure = error;
        }
        finally
        {
            decoder.Output.TryComplete(failure);
        }
    }

    /// <summary>Cuts the node stream, which comes in chunks, into records.</summary>
    private sealed class Decoder(ChannelWriter<List<TreeNode>> output)
    {
        private List<TreeNode> _batch = new(BatchLength);
        private byte[] _pending = [];
        private int _length;
        private byte[]? _lastPath;

        public ChannelWriter<List<TreeNode>> Output => output;

        public async ValueTask AddAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
        {
            if (_length + bytes.Length > _pending.Length)
            {
                Array.Resize(ref _pending, _length + bytes.Length);
            }

            bytes.CopyTo(_pending.AsMemory(_length));
            _length += bytes.Length;
            var at = 0;
            while (_length - at >= sizeof(uint))
            {
                var length = BinaryPrimitives.ReadUInt32LittleEndian(_pending.AsSpan(at));
                if (length > TreeNodeCodec.MaxRecordLength)
                {
                    throw Invalid("has a record of impossible length");
                }

                if (_length - at - sizeof(uint) < length)
                {
                    break;
                }

                var node = TreeNodeCodec.Read(_pending.AsSpan(at + sizeof(uint), (int)length));
                CheckPath(node.Path);
                at += sizeof(uint) + (int)length;
                _batch.Add(node);
                if (_batch.Count == BatchLength)
                {
                    await output.WriteAsync(_batch, ct);
                    _batch = new List<TreeNode>(BatchLength);
                }
            }

            _pending.AsSpan(at, _length - at).CopyTo(_pending);
            _length -= at;
        }

        public async ValueTask FinishAsync(CancellationToken ct)
        {
            if (_length != 0)
            {
                throw Invalid("ends within a record");
            }

            if (_batch.Count > 0)
            {
                await output.WriteAsync(_batch, ct);
            }
        }

        private void CheckPath(byte[] path)
        {
            if (_lastPath is not null && TreeNode.ComparePaths(_lastPath, path) >= 0)
            {
                throw Invalid("is not in order");
            }

            if (path.Length > 0 && HasUnsafePart(path))
            {
                throw Invalid("has a path that leaves the tree");
            }

            _lastPath = path;
        }

        private static bool HasUnsafePart(ReadOnlySpan<byte> path)
        {
            foreach (var range in path.Split((byte)'/'))
            {
                var part = path[range];
                if (part.IsEmpty || part.SequenceEqual("."u8) || part.SequenceEqual(".."u8) || part.Contains((byte)0))
                {
                    return true;
                }
            }

            return false;
        }

        private static EngineException Invalid(string cause) => new(
            "tree-invalid", ErrorKind.Damaged, $"a file tree {cause}", "run 'drconsole repository check', and restore from another tier");
    }
}
