namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>Reads a secret from its file, which holds it in its first line, at each use: it may have been changed, and is kept nowhere.</summary>
public static class SecretFile
{
    /// <summary>The secret without blanks around it; empty where the file has no line.</summary>
    public static async Task<string> ReadAsync(string path, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(path);
        return (await reader.ReadLineAsync(cancellationToken))?.Trim() ?? "";
    }

    /// <summary>The same where nothing can be awaited.</summary>
    public static string Read(string path) => File.ReadLines(path).FirstOrDefault()?.Trim() ?? "";
}
