using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>The probes of volumes on this machine: is the path there, on the mount of the last backup, can it be read, is there space, is it not left frozen.</summary>
public sealed class VolumeProbes(ProtectedEstate estate, NpgsqlDataSource catalog, FreezeLedger freezes, SnapshotLedger snapshots, TimeProvider time) : IProbeSource
{
    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; } =
    [
        .. estate.Sources.Where(source => source.Volume is not null).SelectMany(source =>
            source.Volume!.Snapshot is null ? Of(source, estate.Health, catalog, freezes, time) : ClaimProbe.Of(source, snapshots, time)),
    ];

    private static IEnumerable<IHealthProbe> Of(Source source, HealthSettings health, NpgsqlDataSource catalog, FreezeLedger freezes, TimeProvider time)
    {
        var (subject, volume) = (HealthSubject.Of(source), source.Volume!);
        // A volume of another node is seen by that node's agent alone.
        var path = volume.Node is null ? new VolumeWhereabouts(volume, time) : null;
        yield return new VolumeProbe(subject, "path", ProbeKind.Reach, path, (there, token) => MountAsync(source, there, catalog, token));
        yield return new VolumeProbe(subject, "read", ProbeKind.Query, path, (there, _) => ReadAsync(source, there, freezes));
        yield return new VolumeProbe(subject, "inodes", ProbeKind.Disk, path, (there, _) => Task.FromResult(Inodes(there, health.MinimumFreePercent)));
        yield return new VolumeProbe(subject, "disk", ProbeKind.Disk, path, (there, token) => new DiskProbe(subject, there, health.MinimumFreePercent).AskAsync(token));
    }

    private static async Task<ProbeFinding> MountAsync(Source source, string path, NpgsqlDataSource catalog, CancellationToken cancellationToken)
    {
        var place = VolumePlace.Look(path);
        var last = await catalog.Command("SELECT facts->>'mountPoint' FROM restore_point WHERE source = $1 AND facts ? 'mountPoint' ORDER BY created_at DESC LIMIT 1", source.Name)
            .FirstAsync(row => row.GetString(0), cancellationToken);
        // A claim's mount is another one with each Pod; what tells that nothing is mounted is the mount that shows through then.
        var isLost = last is not null && (source.Volume!.Claim is null ? last != place.MountPoint : last != place.MountPoint && VolumePlace.IsBelow(last, place.MountPoint));
        return isLost && source.Volume!.RequireMount != false
            ? new ProbeFinding(ProbeAnswer.Refused, $"{path} lies on {place.MountPoint}; at the last backup it was on {last}", "volume-unmounted")
            : new ProbeFinding(ProbeAnswer.Answered, $"{place.FileSystem} from {place.MountSource} on {place.MountPoint}");
    }

    /// <summary>The names in the root, and the first bytes of one file there: a dead disk lists from memory and reads nothing.</summary>
    private static async Task<ProbeFinding> ReadAsync(Source source, string path, FreezeLedger freezes)
    {
        if (freezes.Find(source.Name) is { } freeze && !freeze.Owner.IsAlive())
        {
            return new ProbeFinding(ProbeAnswer.Refused, $"left frozen by process {freeze.Owner.Pid}, which died: {string.Join(' ', freeze.ThawCommand)} thaws it", "volume-frozen");
        }

        var first = Directory.Exists(path) ? Directory.EnumerateFiles(path).Take(100).FirstOrDefault(IsPlain) : path;
        if (first is null)
        {
            return new ProbeFinding(ProbeAnswer.Answered, "it was listed; there is no file in its root to read");
        }

        await using var file = new FileStream(first, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _ = await file.ReadAsync(new byte[4096], CancellationToken.None);
        return ProbeFinding.Answered;
    }

    private static bool IsPlain(string path) => new FileInfo(path) is { LinkTarget: null, Length: > 0 } file && file.Attributes is not FileAttributes.Device;

    private static ProbeFinding Inodes(string path, int leastPercent)
    {
        var space = FileSystemSpace.Of(path);
        if (space.FreeInodes is not { } free)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "this file system does not count its inodes");
        }

        var share = (double)free / space.TotalInodes;
        var detail = string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.#} % of the inodes are free");
        return new ProbeFinding(share * 100 < leastPercent ? ProbeAnswer.Exceeded : ProbeAnswer.Answered, detail, null, Math.Round(share, 4));
    }
}

/// <summary>Asks a volume something on a thread of its own: a share whose server is gone answers nobody, and must not hold up the round.</summary>
/// <param name="path">Null where this process cannot see it.</param>
internal sealed class VolumeProbe(
    HealthSubject subject, string name, ProbeKind kind, VolumeWhereabouts? path, Func<string, CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => kind;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        if (path is null)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, DiskProbe.OnANode);
        }

        string there;
        try
        {
            there = await path.FindAsync(cancellationToken);
        }
        catch (EngineException fault)
        {
            // One kind of probe says so, which alone confirms nothing: of the volume itself nothing is known.
            return kind == ProbeKind.Reach ? Refused(fault) : new ProbeFinding(ProbeAnswer.NotDetectable, fault.Message, fault.Code);
        }

        try
        {
            return await Task.Run(() => ask(there, cancellationToken), cancellationToken).WaitAsync(cancellationToken);
        }
        catch (EngineException fault)
        {
            return Refused(fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new ProbeFinding(ProbeAnswer.Refused, fault.Message);
        }
    }

    private static ProbeFinding Refused(EngineException fault) => new(fault.Kind == ErrorKind.Denied ? ProbeAnswer.Denied : ProbeAnswer.Refused, fault.Message, fault.Code);
}
