using System.Diagnostics;
using Hexabase.DrConsole.Engine.Tests.Executable;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>A small disk with an ext4 file system, as a loop device; where this machine has none, the test is skipped.</summary>
internal sealed class LoopDisk : IAsyncDisposable
{
    private string? _mountedOn;

    private LoopDisk(string device) => Device = device;

    public string Device { get; private set; }

    public static async Task<LoopDisk> AttachAsync(string image)
    {
        Assert.SkipUnless(Environment.UserName == "root" && File.Exists("/dev/loop-control"), "a loop device needs root and /dev/loop-control");
        await Shell.RunAsync("truncate", "-s", "64M", image);
        await Shell.RunAsync("mkfs.ext4", "-q", image);
        using var attach = Process.Start(new ProcessStartInfo("losetup", ["--find", "--show", image]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = (await attach.StandardOutput.ReadToEndAsync(CancellationToken.None)).Trim();
        await attach.WaitForExitAsync(CancellationToken.None);
        Assert.SkipUnless(attach.ExitCode == 0 && said.Length > 0, "this machine gives no loop devices");
        return new LoopDisk(said);
    }

    public async Task MountAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        await Shell.RunAsync("mount", Device, folder);
        _mountedOn = folder;
    }

    public async Task UnmountAsync()
    {
        await Shell.RunAsync("umount", _mountedOn!);
        _mountedOn = null;
    }

    /// <summary>Attaches the image as another device; the one that it was takes no other image meanwhile.</summary>
    public async Task<string> AttachElsewhereAsync(string image)
    {
        using var attach = Process.Start(new ProcessStartInfo("losetup", ["--find", "--show", image]) { RedirectStandardOutput = true })!;
        var device = (await attach.StandardOutput.ReadToEndAsync(CancellationToken.None)).Trim();
        await attach.WaitForExitAsync(CancellationToken.None);
        await Shell.RunAsync("losetup", "--detach", Device);
        return Device = device;
    }

    public async ValueTask DisposeAsync()
    {
        if (_mountedOn is not null)
        {
            await Shell.RunAsync("bash", "-c", $"fsfreeze -u {_mountedOn} 2>/dev/null; umount {_mountedOn}");
        }

        await Shell.RunAsync("losetup", "--detach", Device);
    }
}
