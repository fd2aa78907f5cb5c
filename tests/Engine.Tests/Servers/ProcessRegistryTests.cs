using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Servers;

public sealed class ProcessRegistryTests : IAsyncDisposable
{
    private static readonly ToolCommand s_sleep = new("sleep", ["600"]) { Purpose = "a long dump" };
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public async Task SettleAsync_tool_of_a_dead_console_is_ended_with_its_record()
    {
        var tool = ToolProcess.Start(s_sleep, _folder.RegistryOfDeadConsole());
        var identity = ProcessIdentity.Read(tool.Pid);

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.NotNull(identity);
        Assert.False(identity.Value.IsAlive());
        Assert.Equal("a long dump", Assert.Single(report.Ended).Purpose);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public async Task SettleAsync_tool_of_a_living_console_is_left_alone()
    {
        await using var tool = ToolProcess.Start(s_sleep, _folder.Registry);

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.Empty(report.Ended);
        Assert.NotNull(ProcessIdentity.Read(tool.Pid));
        Assert.Single(_folder.Registry.List());
    }

    [Fact]
    public async Task SettleAsync_process_id_given_to_a_stranger_is_never_signalled()
    {
        await using var stranger = ToolProcess.Start(s_sleep, new ProcessRegistry(_folder.Combine("elsewhere")));
        var identity = ProcessIdentity.Read(stranger.Pid)!.Value;
        var registry = _folder.RegistryOfDeadConsole();
        var record = registry.NewRecord("old-dump", "an old dump", Afterlife.Ended, folder: null, isServer: false);
        registry.Write(record with { Child = identity with { StartTicks = identity.StartTicks - 1 } });
        registry.Write(record with { Name = "older-dump", Child = identity with { BootId = "an earlier boot" } });

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.True(identity.IsAlive());
        Assert.Empty(report.Ended);
        Assert.Equal(2, report.Gone.Count);
        Assert.False(LibC.Signal(identity with { StartTicks = identity.StartTicks - 1 }, UnixSignal.Kill));
        Assert.True(identity.IsAlive());
    }

    [Fact]
    public async Task SettleAsync_console_died_between_start_and_record_finds_the_child_by_its_mark()
    {
        var registry = _folder.RegistryOfDeadConsole();
        var tool = ToolProcess.Start(s_sleep, registry);
        var identity = ProcessIdentity.Read(tool.Pid)!.Value;
        registry.Write(Assert.Single(registry.List()) with { Child = null });

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.Single(report.Ended);
        Assert.False(identity.IsAlive());
    }

    [Fact]
    public async Task SettleAsync_leftovers_are_removed_folders_password_files_and_unreadable_records()
    {
        var registry = _folder.RegistryOfDeadConsole();
        var scratch = _folder.Combine("scratch-1");
        Directory.CreateDirectory(Path.Combine(scratch, "data"));
        registry.Write(registry.NewRecord("scratch-1", "scratch PostgreSQL", Afterlife.Ended, scratch, isServer: true));
        var abandoned = PasswordFile.Create(registry, "localhost", 5432, "backup", "secret").Path;
        using var held = PasswordFile.Create(_folder.Registry, "localhost", 5432, "backup", "secret");
        await File.WriteAllTextAsync(Path.Combine(registry.Folder, "torn.json"), "{", Cancel);

        var report = await _folder.Registry.SettleAsync(Cancel);

        Assert.False(Directory.Exists(scratch));
        Assert.False(File.Exists(abandoned));
        Assert.True(File.Exists(held.Path));
        Assert.Single(report.Gone);
        Assert.Single(report.Unreadable);
        Assert.Empty(_folder.Registry.List());
    }

    [Fact]
    public void PasswordFile_fields_are_escaped_and_only_the_owner_may_read()
    {
        string path;
        using (var file = PasswordFile.Create(_folder.Registry, "/run/a:b", 5433, "back\\up", "p:a\\ss"))
        {
            path = file.Path;
            Assert.Equal("/run/a\\:b:5433:*:back\\\\up:p\\:a\\\\ss\n", File.ReadAllText(path));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.False(File.Exists(path));
    }
}
