using System.Diagnostics;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>A directory that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("drc-").FullName;

    public string Combine(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>Writes a file below, with the directories that it needs.</summary>
    public string Write(string name, byte[] content)
    {
        var path = Combine(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    public void Dispose()
    {
        // Directory.Delete stumbles over names that are no UTF-8.
        using var remove = Process.Start("rm", ["-rf", Path]);
        remove.WaitForExit();
    }
}
