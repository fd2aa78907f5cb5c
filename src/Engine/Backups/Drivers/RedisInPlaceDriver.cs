using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A snapshot in the place of whatever a server has written until it was stopped; a recovery plan stops it and starts it again.</summary>
public sealed class RedisInPlaceDriver(RedisDirectoryRestore restore) : RedisDirectoryRestoreDriver(restore), IInPlaceDriver
{
    /// <inheritdoc/>
    public override string PlanKind => RedisDirectoryRestore.ExchangeKind;

    /// <inheritdoc/>
    public override bool Takes(RestoreTarget target, Manifest manifest) => target is RedisDirectoryTarget { Exchange: true };

    /// <inheritdoc/>
    /// <remarks>Reads the file that the server will load, key by key, before the server has it.</remarks>
    public async Task<InPlaceFinding> CheckAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        var target = TargetOf(work.Plan);
        var path = Path.Combine(target.Path, target.DumpName);
        if (!File.Exists(path))
        {
            return new InPlaceFinding(false, $"there is no {path}");
        }

        var facts = await RedisBackup.ReadFactsAsync(work.Repository, work.Manifest, cancellationToken);
        var content = await Task.Factory.StartNew(() => Read(path), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var comparison = facts.Compare(content);
        return comparison.AllEqual
            ? new InPlaceFinding(true, string.Create(CultureInfo.InvariantCulture, $"{facts.Keys} keys in {Counted.Of(facts.Databases.Count, "database")} are those that the restore point names, by their digests"))
            : new InPlaceFinding(false, $"{path} is not what the restore point names: {string.Join("; ", comparison.Faults.Take(5).Select(fault => fault.ToText()))}");
    }

    /// <inheritdoc/>
    public Task<string?> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        var target = TargetOf(plan);
        var places = RedisPlaces.Of(target, operation);
        // A hidden folder with its mark, or without what was moved aside, is of an attempt that did not come to its end.
        return Task.FromResult<string?>(places.AreDone ? RedisTakeBack.Go(target, places) : RedisDirectoryRestore.Abandon(plan, operation));
    }

    private static RdbContent Read(string path)
    {
        using var file = File.OpenRead(path);
        return RdbContent.Read(file);
    }

    private static RedisDirectoryTarget TargetOf(RestorePlan plan) => (RedisDirectoryTarget)RestoreTarget.Parse((plan ?? throw new ArgumentNullException(nameof(plan))).Target, "/");
}
