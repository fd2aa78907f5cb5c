using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;

[assembly: AssemblyFixture(typeof(ClusterSeed))]

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>One initialised data folder, copied for each test that needs a cluster and is not about initialising one.</summary>
public sealed class ClusterSeed : IAsyncDisposable
{
    private readonly SemaphoreSlim _making = new(1, 1);
    private ServerFolder? _folder;

    /// <summary>Puts a copy where the options want their data folder.</summary>
    public async Task PlantAsync(PostgresClusterOptions options, CancellationToken cancellationToken)
    {
        await _making.WaitAsync(cancellationToken);
        try
        {
            if (_folder is null)
            {
                var folder = new ServerFolder();
                _folder = folder;
                await new PostgresCluster(folder.ClusterOptions("seed"), folder.Registry).InitializeAsync(cancellationToken);
            }
        }
        finally
        {
            _making.Release();
        }

        var copy = await ToolProcess.RunAsync(
            new ToolCommand("cp", ["-a", _folder.Combine("seed"), options.DataFolder]), _folder.Registry, cancellationToken);
        Assert.True(copy.ExitCode == 0, copy.ErrorTail);
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
