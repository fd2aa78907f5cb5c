using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>One file as PostgreSQL's backup manifest lists it.</summary>
/// <param name="Path">Below the data directory; below a tablespace with <c>pg_tblspc/OID/</c> before it.</param>
/// <param name="Bytes">Its length as it was stored.</param>
/// <param name="Modified">Its time of modification.</param>
/// <param name="Crc32C">Eight hexadecimal digits, as pg_basebackup writes them.</param>
internal sealed record ManifestFile(string Path, long Bytes, DateTimeOffset Modified, string Crc32C);

/// <summary>
/// PostgreSQL's <c>backup_manifest</c>, version 1: what pg_verifybackup compares an unpacked backup with. Written by us where
/// the files were read by us.
/// </summary>
internal sealed class BackupManifestFile
{
    /// <summary>Its name in the data directory, and of the artifact.</summary>
    public const string Name = "backup_manifest";

    private readonly ConcurrentDictionary<string, ManifestFile> _files = new(StringComparer.Ordinal);

    /// <summary>The files by path.</summary>
    public IReadOnlyDictionary<string, ManifestFile> Files => _files;

    public void Add(ManifestFile file) => _files[file.Path] = file;

    /// <summary>Adds a small file that is stored by itself.</summary>
    public void Add(string path, ReadOnlySpan<byte> content, DateTimeOffset modified) =>
        Add(new ManifestFile(path, content.Length, modified, Crc32C.Text(Crc32C.Append(Crc32C.Seed, content))));

    /// <summary>The manifest's text.</summary>
    public byte[] ToBytes(uint timeline, NpgsqlLogSequenceNumber start, NpgsqlLogSequenceNumber stop)
    {
        var text = new StringBuilder("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [");
        var isFirst = true;
        foreach (var file in _files.Values.OrderBy(file => file.Path, StringComparer.Ordinal))
        {
            text.Append(isFirst ? "\n" : ",\n").Append(CultureInfo.InvariantCulture,
                $"{{ \"Path\": {JsonSerializer.Serialize(file.Path)}, \"Size\": {file.Bytes}, \"Last-Modified\": \"{file.Modified.UtcDateTime:yyyy-MM-dd HH:mm:ss} GMT\", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{file.Crc32C}\" }}");
            isFirst = false;
        }

        text.Append("\n],\n\"WAL-Ranges\": [\n").Append(CultureInfo.InvariantCulture,
            $"{{ \"Timeline\": {timeline}, \"Start-LSN\": \"{start}\", \"End-LSN\": \"{stop}\" }}\n],\n");
        var body = Encoding.UTF8.GetBytes(text.ToString());
        return [.. body, .. Encoding.UTF8.GetBytes($"\"Manifest-Checksum\": \"{Convert.ToHexStringLower(SHA256.HashData(body))}\"}}\n")];
    }

    /// <summary>Reads one back. Empty where it is no manifest with CRC32C checksums: then nothing can be taken over from it.</summary>
    public static BackupManifestFile Parse(ReadOnlyMemory<byte> text)
    {
        var manifest = new BackupManifestFile();
        try
        {
            using var json = JsonDocument.Parse(text);
            foreach (var file in json.RootElement.GetProperty(nameof(Files)).EnumerateArray())
            {
                if (file.TryGetProperty("Path", out var path) && file.TryGetProperty("Checksum-Algorithm", out var algorithm) && algorithm.ValueEquals("CRC32C"))
                {
                    manifest.Add(new ManifestFile(
                        path.GetString()!, file.GetProperty("Size").GetInt64(), DateTimeOffset.UnixEpoch, file.GetProperty("Checksum").GetString()!));
                }
            }
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new BackupManifestFile();
        }

        return manifest;
    }
}

/// <summary>CRC-32C (Castagnoli), by the processor's own instruction where it has one.</summary>
internal static class Crc32C
{
    public const uint Seed = 0xFFFFFFFF;

    /// <summary>Takes more bytes in.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var one in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, one);
        }

        return crc;
    }

    /// <summary>The finished value as PostgreSQL prints it: the bytes as they lie in memory, little end first.</summary>
    public static string Text(uint crc)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, ~crc);
        return Convert.ToHexStringLower(bytes);
    }
}
