using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Reports;

/// <summary>The console's own key for reports (ECDSA on P-256), in its data folder: made at its first use, never given away.</summary>
public sealed class ReportKey(DataFolder data)
{
    private const string FileName = "report-signing.pem";

    private string PathOf => Path.Combine(data.Keys, FileName);

    /// <summary>The public key, as PEM: whoever has it can check reports without this console.</summary>
    /// <exception cref="EngineException"><c>data-folder</c>: it cannot be read or made; <c>report-key</c>: the file holds no such key.</exception>
    public string PublicPem()
    {
        using var key = Open();
        return key.ExportSubjectPublicKeyInfoPem() + "\n";
    }

    /// <summary>The public key where there is one already; null where this console never signed a report.</summary>
    public string? FindPublicPem() => File.Exists(PathOf) ? PublicPem() : null;

    internal ECDsa Open()
    {
        try
        {
            if (!File.Exists(PathOf))
            {
                using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                // Of two processes that sign their first report at once, both sign with the key of the first.
                LocalFolder.TryCreatePrivateFile(PathOf, Encoding.ASCII.GetBytes(made.ExportPkcs8PrivateKeyPem() + "\n"));
            }

            var key = ECDsa.Create();
            key.ImportFromPem(File.ReadAllText(PathOf));
            return key;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw data.Unwritable(fault);
        }
        catch (Exception fault) when (fault is CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            throw new EngineException("report-key", ErrorKind.Input, $"{PathOf} holds no key: {fault.Message}", "put the file that was made with this data folder back; without it a new one is made, and old reports need the old public key", fault);
        }
    }
}
