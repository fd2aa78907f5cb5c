using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>Where a volume of this machine is. Of a claim its cluster is asked, and once in a while only: probes look every few seconds.</summary>
internal sealed class VolumeWhereabouts(VolumeSettings settings, TimeProvider time)
{
    private static readonly TimeSpan s_holds = TimeSpan.FromMinutes(1);
    private Found? _last;

    /// <exception cref="EngineException">As <see cref="ClaimPlace.FindAsync(VolumeSettings, TimeProvider, CancellationToken)"/>.</exception>
    public async Task<string> FindAsync(CancellationToken cancellationToken)
    {
        if (settings.Path is { } path)
        {
            return path;
        }

        // The Pod whose mount it was may be gone, and another one have taken its place.
        var last = _last is { } one && Directory.Exists(one.Path) ? one : null;
        if (last is not null && time.GetElapsedTime(last.At) < s_holds)
        {
            return last.Path;
        }

        try
        {
            _last = new Found((await ClaimPlace.FindAsync(settings, time, cancellationToken)).Path, time.GetTimestamp());
            return _last.Path;
        }
        catch (EngineException fault) when (fault.IsTransient && last is not null)
        {
            // An API server that is away has moved no volume.
            return last.Path;
        }
    }

    private sealed record Found(string Path, long At);
}
