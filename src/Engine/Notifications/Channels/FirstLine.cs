namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>Reads a secret from its file, at each use: it may have been changed, and is kept nowhere.</summary>
internal static class FirstLine
{
    public static async Task<string> OfAsync(string path, CancellationToken ct)
    {
        using var reader = new StreamReader(path);
        return (await reader.ReadLineAsync(ct))?.Trim() ?? "";
    }
}
