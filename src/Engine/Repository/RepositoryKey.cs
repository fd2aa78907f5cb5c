using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>A passphrase that opens repositories. Dispose it to wipe it from memory.</summary>
public sealed class RepositoryKey : IDisposable
{
    private const int MaxFileLength = 64 * 1024;
    private readonly byte[] _passphrase;

    /// <param name="passphrase">UTF-8 bytes; copied. Not empty.</param>
    public RepositoryKey(ReadOnlySpan<byte> passphrase)
    {
        _passphrase = passphrase.IsEmpty
            ? throw new EngineException("key-file-empty", ErrorKind.Input, "the passphrase is empty", "write a passphrase into the key file's first line")
            : passphrase.ToArray();
    }

    internal ReadOnlyMemory<byte> Passphrase => _passphrase;

    /// <summary>Reads the passphrase: the bytes of the file's first line, without its line end.</summary>
    /// <exception cref="EngineException">Kind Input or Denied where the file is missing, empty or unreadable.</exception>
    public static async Task<RepositoryKey> FromFileAsync(string path, CancellationToken cancellationToken)
    {
        const string Hint = "name a readable file whose first line is the repository's passphrase";
        byte[] content;
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 4096, useAsync: false);
            content = new byte[Math.Min(MaxFileLength, file.CanSeek && file.Length > 0 ? file.Length : MaxFileLength)];
            var read = await file.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken);
            Array.Resize(ref content, read);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new EngineException("key-file-missing", ErrorKind.Input, $"key file {path} does not exist", Hint, error);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            throw new EngineException("key-file-unreadable", ErrorKind.Denied, $"key file {path} cannot be read: {error.Message}", Hint, error);
        }

        try
        {
            var line = content.AsSpan();
            var end = line.IndexOf((byte)'\n');
            line = end >= 0 ? line[..end] : line;
            line = line.EndsWith("\r"u8) ? line[..^1] : line;
            return line.IsEmpty
                ? throw new EngineException("key-file-empty", ErrorKind.Input, $"the first line of key file {path} is empty", Hint)
                : new RepositoryKey(line);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_passphrase);
}
