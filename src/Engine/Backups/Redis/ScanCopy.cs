using System.Buffers.Binary;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Reads a server key by key (<c>SCAN</c>, <c>DUMP</c>) where it gives no full synchronisation, and writes what comes as a
/// snapshot of the server's own format: everything behind it is the same. Not of one instant, since clients write meanwhile.
/// It rests as long as each round took, so that at most half of the server's time is spent on it.
/// </summary>
internal sealed class ScanCopy(RedisConnection connection, RedisServerInfo info, TimeProvider time, Action<string> warn)
{
    private const int KeysPerRound = 128;
    private const int FooterBytes = 10;
    private const int FallbackVersion = 9;
    private static readonly TimeSpan s_longestRest = TimeSpan.FromMilliseconds(50);
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 8 * 1024 * 1024, resumeWriterThreshold: 4 * 1024 * 1024, useSynchronizationContext: false));
    private ulong _checksum;
    private bool _hasHeader;

    /// <summary>Begins; the stream ends in what went wrong.</summary>
    public Stream Begin(CancellationToken cancellationToken)
    {
        _ = CopyAsync(cancellationToken);
        return _pipe.Reader.AsStream();
    }

    private async Task CopyAsync(CancellationToken cancellationToken)
    {
        try
        {
            var functions = await connection.CallAsync(["FUNCTION", "DUMP"], cancellationToken);
            if (functions.IsError)
            {
                warn($"functions are not in this backup: {functions.Text}");
            }
            else if (functions.Bytes.Length > FooterBytes)
            {
                Header(VersionOf(functions.Bytes));
                Write(functions.Bytes.AsSpan(0, functions.Bytes.Length - FooterBytes));
            }

            foreach (var database in info.Databases)
            {
                await connection.RequireAsync(["SELECT", database.ToString(CultureInfo.InvariantCulture)], cancellationToken);
                await CopyDatabaseAsync(database, cancellationToken);
            }

            Header(FallbackVersion);
            Write([0xFF]);
            var trailer = new byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(trailer, _checksum);
            await _pipe.Writer.WriteAsync(trailer, cancellationToken);
            await _pipe.Writer.CompleteAsync();
        }
        catch (Exception exception)
        {
            // The edge of this task: whatever it is, the reader must get it, or wait for ever.
            await _pipe.Writer.CompleteAsync(exception);
        }
    }

    private async Task CopyDatabaseAsync(int database, CancellationToken cancellationToken)
    {
        // A scan may name a key twice, and a snapshot must not: a server that loads it would refuse.
        var seen = new HashSet<UInt128>();
        var cursor = "0";
        var hasBegun = false;
        do
        {
            var began = time.GetTimestamp();
            var round = await connection.RequireAsync(["SCAN", cursor, "COUNT", KeysPerRound.ToString(CultureInfo.InvariantCulture)], cancellationToken);
            cursor = round.Items[0].Text;
            var keys = round.Items[1].Items.Select(item => item.Bytes).Where(key => seen.Add(ValueDigest.Of(key))).ToList();
            var at = Now();
            foreach (var key in keys)
            {
                connection.BeginCommand(2);
                connection.WriteArgument("DUMP"u8);
                connection.WriteArgument(key);
                connection.BeginCommand(2);
                connection.WriteArgument("PTTL"u8);
                connection.WriteArgument(key);
            }

            if (keys.Count > 0)
            {
                await connection.SendAsync(cancellationToken);
            }

            foreach (var key in keys)
            {
                var value = await connection.ReadAsync(cancellationToken);
                var lives = await connection.ReadAsync(cancellationToken);
                if (value.IsError || lives.IsError)
                {
                    throw RedisFault.Of(value.IsError ? value.Text : lives.Text, connection.Endpoint, value.IsError ? "DUMP" : "PTTL");
                }

                // It may have gone since the scan named it.
                if (value.Kind == RespKind.Text && lives.Integer != -2)
                {
                    Header(VersionOf(value.Bytes));
                    if (!hasBegun)
                    {
                        hasBegun = true;
                        Write([0xFE]);
                        Length(database);
                    }

                    Key(key, value.Bytes, lives.Integer >= 0 ? at.AddMilliseconds(lives.Integer) : null);
                    // Of large values a whole round would lie in memory before the reader could hold it up.
                    await _pipe.Writer.FlushAsync(cancellationToken);
                }
            }

            var took = time.GetElapsedTime(began);
            await Task.Delay(took < s_longestRest ? took : s_longestRest, time, cancellationToken);
        }
        while (cursor != "0");
    }

    private DateTimeOffset Now() => time.GetUtcNow();

    private void Key(byte[] key, byte[] value, DateTimeOffset? expires)
    {
        if (expires is { } at)
        {
            var bytes = new byte[9];
            bytes[0] = 0xFC;
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(1), at.ToUnixTimeMilliseconds());
            Write(bytes);
        }

        Write(value.AsSpan(0, 1));
        Length(key.Length);
        Write(key);
        Write(value.AsSpan(1, value.Length - 1 - FooterBytes));
    }

    private static int VersionOf(byte[] payload) => BinaryPrimitives.ReadUInt16LittleEndian(payload.AsSpan(payload.Length - FooterBytes));

    private void Header(int version)
    {
        if (_hasHeader)
        {
            return;
        }

        _hasHeader = true;
        Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"REDIS{version:0000}")));
        Note("redis-ver", info.Version);
        Note("ctime", Now().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
    }

    private void Note(string name, string value)
    {
        Write([0xFA]);
        foreach (var text in new[] { name, value })
        {
            Length(text.Length);
            Write(Encoding.ASCII.GetBytes(text));
        }
    }

    private void Length(int length)
    {
        if (length < 64)
        {
            Write([(byte)length]);
            return;
        }

        var bytes = new byte[5];
        bytes[0] = 0x80;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), length);
        Write(bytes);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _checksum = Crc64.Append(_checksum, bytes);
        bytes.CopyTo(_pipe.Writer.GetSpan(bytes.Length));
        _pipe.Writer.Advance(bytes.Length);
    }
}
