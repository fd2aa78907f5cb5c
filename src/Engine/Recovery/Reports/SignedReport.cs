using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hexabase.DrConsole.Engine.Recovery.Reports;

/// <summary>What a report's file was found to be.</summary>
/// <param name="Report">What it holds.</param>
/// <param name="KeyId">Of the key that signed it.</param>
public sealed record CheckedReport(RecoveryReport Report, string KeyId);

/// <summary>
/// A report's file: <c>{"report":{…},"signature":{…}}</c> in UTF-8 and one line end. The signature is over the very bytes between
/// <c>"report":</c> and <c>,"signature"</c>; the file has one form only, so that every changed byte is found.
/// </summary>
public static class SignedReport
{
    private const string Algorithm = "ECDSA-P256-SHA256";

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly byte[] s_head = "{\"report\":"u8.ToArray();

    private static readonly byte[] s_middle = ",\"signature\":"u8.ToArray();

    private static readonly byte[] s_tail = "}\n"u8.ToArray();

    /// <summary>Signs.</summary>
    /// <returns>The file.</returns>
    public static byte[] Write(RecoveryReport report, ReportKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        using var signing = key.Open();
        var body = JsonSerializer.SerializeToUtf8Bytes(report, s_form);
        return Join(body, signing.SignData(body, HashAlgorithmName.SHA256), signing.ExportSubjectPublicKeyInfo());
    }

    /// <summary>Checks a file.</summary>
    /// <param name="file">Its bytes.</param>
    /// <param name="publicPem">The key that is trusted.</param>
    /// <exception cref="EngineException">
    /// Kind Damaged: <c>report-changed</c>, a byte is not as it was signed; <c>report-other-key</c> (Denied): it is signed by another
    /// key than the trusted one; <c>report-unreadable</c>: it is no report; <c>report-key</c>: the trusted key is none.
    /// </exception>
    public static CheckedReport Check(byte[] file, string publicPem)
    {
        ArgumentNullException.ThrowIfNull(file);
        var (body, signature) = Split(file);
        byte[] publicKey, value;
        try
        {
            publicKey = Convert.FromBase64String(signature.PublicKey);
            value = Convert.FromBase64String(signature.Value);
        }
        catch (FormatException)
        {
            throw Changed("its signature is no base64");
        }

        using var trusted = Import(publicPem);
        if (!publicKey.AsSpan().SequenceEqual(trusted.ExportSubjectPublicKeyInfo()))
        {
            // Signed by its own key, it is whole but by somebody else; not even that, it was changed.
            throw IsOwn(body, value, publicKey)
                ? new EngineException("report-other-key", ErrorKind.Denied, $"it is signed by key {IdOf(publicKey)}, and the trusted one is {IdOf(trusted.ExportSubjectPublicKeyInfo())}",
                    "get the public key of the console that made it (Reports page), and name it with --key")
                : Changed("its signature does not hold");
        }

        if (!trusted.VerifyData(body, value, HashAlgorithmName.SHA256))
        {
            throw Changed("its signature does not hold");
        }

        if (!Join(body, value, publicKey).AsSpan().SequenceEqual(file))
        {
            throw Changed("what surrounds the signed report is not as it was written");
        }

        var report = JsonSerializer.Deserialize<RecoveryReport>(body, s_form)!;
        return report.FormatVersion == RecoveryReport.CurrentVersion
            ? new CheckedReport(report, IdOf(publicKey))
            : throw new EngineException("report-version", ErrorKind.Unsupported, $"the report has version {report.FormatVersion}, this build knows {RecoveryReport.CurrentVersion}", "use the build that made it");
    }

    /// <summary>Names a key: the first 16 hex digits of SHA-256 over its public half.</summary>
    public static string IdOf(ReadOnlySpan<byte> publicKey) => Convert.ToHexStringLower(SHA256.HashData(publicKey))[..16];

    private static byte[] Join(ReadOnlySpan<byte> body, byte[] value, byte[] publicKey)
    {
        var file = new ArrayBufferWriter<byte>();
        file.Write(s_head);
        file.Write(body);
        file.Write(s_middle);
        file.Write(JsonSerializer.SerializeToUtf8Bytes(
            new ReportSignature(Algorithm, IdOf(publicKey), Convert.ToBase64String(publicKey), Convert.ToBase64String(value)), s_form));
        file.Write(s_tail);
        return file.WrittenSpan.ToArray();
    }

    private static (byte[] Body, ReportSignature Signature) Split(byte[] file)
    {
        // The signature is the last member, and no text in it can hold this: a report's own texts escape their quotes.
        var at = file.AsSpan().LastIndexOf(s_middle);
        if (!file.AsSpan().StartsWith(s_head) || at < s_head.Length || !file.AsSpan().EndsWith(s_tail))
        {
            throw new EngineException("report-unreadable", ErrorKind.Damaged, "it is no report, or its beginning or end was changed", "get it from the console anew");
        }

        try
        {
            var signature = JsonSerializer.Deserialize<ReportSignature>(file.AsSpan()[(at + s_middle.Length)..^s_tail.Length], s_form);
            return signature is { Algorithm: Algorithm, PublicKey: not null, Value: not null, KeyId: not null }
                ? (file[s_head.Length..at], signature)
                : throw Changed("its signature is not of this kind");
        }
        catch (JsonException)
        {
            throw Changed("its signature cannot be read");
        }
    }

    private static ECDsa Import(string pem)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch (Exception fault) when (fault is CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            key.Dispose();
            throw new EngineException("report-key", ErrorKind.Input, $"the trusted key is no public key in PEM: {fault.Message}", "get it from the Reports page of the console", fault);
        }
    }

    private static bool IsOwn(byte[] body, byte[] value, byte[] publicKey)
    {
        using var own = ECDsa.Create();
        try
        {
            own.ImportSubjectPublicKeyInfo(publicKey, out _);
            return own.VerifyData(body, value, HashAlgorithmName.SHA256);
        }
        catch (Exception fault) when (fault is CryptographicException or PlatformNotSupportedException)
        {
            // A changed byte may name a curve that nobody has.
            return false;
        }
    }

    private static EngineException Changed(string why) => new("report-changed", ErrorKind.Damaged, $"the report is not as it was signed: {why}", "get it from the console anew");

    private sealed record ReportSignature(string Algorithm, string KeyId, string PublicKey, string Value);
}
