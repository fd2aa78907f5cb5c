using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;

[assembly: AssemblyFixture(typeof(ConsoleSeed))]

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>One data folder with its catalog made, copied for each test that needs a console of its own.</summary>
public sealed class ConsoleSeed : IAsyncDisposable
{
    private readonly SemaphoreSlim _making = new(1, 1);
    private ServerFolder? _folder;

    /// <summary>Puts a copy there.</summary>
    public async Task PlantAsync(string dataFolder)
    {
        await _making.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            if (_folder is null)
            {
                var folder = new ServerFolder();
                folder.Hold();
                var configuration = folder.Combine("none.json");
                await File.WriteAllTextAsync(configuration, "{}", TestContext.Current.CancellationToken);
                (await ConsoleProcess.RunAsync(["sources", "--data", folder.Combine("data"), "--config", configuration])).AssertDone();
                _folder = folder;
            }
        }
        finally
        {
            _making.Release();
        }

        await Shell.RunAsync("cp", "-a", _folder.Combine("data"), dataFolder);
    }

    public async ValueTask DisposeAsync()
    {
        _making.Dispose();
        if (_folder is not null)
        {
            await _folder.DisposeAsync();
        }
    }
}
