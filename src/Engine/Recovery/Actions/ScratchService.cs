using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// The service of a drill: a scratch server on the recovered cluster, with a network of its own that leads nowhere and nothing of
/// the cluster's own configuration. Whoever has the folder removes it.
/// </summary>
public sealed class ScratchService(ScratchPlace place, string dataDirectory, ScratchFolder? folder, ProcessRegistry registry) : IServiceControl
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan s_startPatience = TimeSpan.FromMinutes(10);

    public string StopText => "stop the scratch server";

    public string StartText => $"start a scratch PostgreSQL {place.Major} on {dataDirectory}, without a network";

    public Task<bool> IsRunningAsync(CancellationToken cancellationToken) => Task.FromResult(PostmasterFile.FindLiving(dataDirectory) is not null);

    public Task<IReadOnlyList<string>> ReadOptionsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    public async Task StopAsync(Action<string> log, CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(dataDirectory) is { } living)
        {
            await ProcessEnding.EndAsync(living.Process, ProcessEnding.Server(s_patience), registry.Time, cancellationToken);
        }
        else
        {
            log("the scratch server does not run");
        }
    }

    public async Task StartAsync(IReadOnlyList<string> options, Action<string> log, CancellationToken cancellationToken)
    {
        if (PostmasterFile.FindLiving(dataDirectory) is not null)
        {
            log("the scratch server runs already");
            return;
        }

        var scratch = new ScratchPostgresOptions
        {
            Root = place.Root, Major = place.Major, Superuser = place.Superuser, Settings = place.Settings, StartTimeout = s_startPatience, KeepsFolder = true,
        };
        await ScratchPostgres.StartAsync(
            scratch, folder ?? throw new System.Diagnostics.UnreachableException("only a drill has a scratch service"), registry, registry.Time, cancellationToken);
    }
}
