using System.Diagnostics;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>The drivers that capture, one for each kind that this version can back up.</summary>
public sealed class SourceDrivers(IEnumerable<ISourceDriver> drivers)
{
    private readonly Dictionary<SourceKind, ISourceDriver> _drivers = drivers.ToDictionary(driver => driver.Kind);

    /// <summary>The driver of a source's kind.</summary>
    /// <exception cref="EngineException"><c>kind-not-supported</c>.</exception>
    public ISourceDriver Of(Source source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return _drivers.GetValueOrDefault(source.Kind) ?? throw new EngineException("kind-not-supported", ErrorKind.Unsupported,
            $"{source.Name} is of kind {source.Kind.ToString().ToLowerInvariant()}, which this version cannot back up",
            $"Supported are {string.Join(", ", _drivers.Keys.Order().Select(kind => kind.ToString().ToLowerInvariant()))}; the source stays listed as unprotected.");
    }
}

/// <summary>The drivers that restore. The first that takes a target gets it, so that the one for raw artifacts stands last.</summary>
public sealed class RestoreDrivers(IEnumerable<IRestoreDriver> drivers)
{
    private readonly IReadOnlyList<IRestoreDriver> _drivers = [.. drivers];

    /// <summary>The driver for a target.</summary>
    /// <exception cref="EngineException"><c>restore-target-unsupported</c>: the target is for another kind of source.</exception>
    public IRestoreDriver For(RestoreTarget target, Manifest manifest)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(manifest);
        return _drivers.FirstOrDefault(driver => driver.Takes(target, manifest)) ?? throw new EngineException("restore-target-unsupported", ErrorKind.Unsupported,
            $"{target.ToText()} cannot take restore point {manifest.Id.Short}, which is of kind {manifest.Kind}",
            "name a target of that kind, or dir:/path for its raw artifacts");
    }

    /// <summary>The driver that made a plan.</summary>
    public IRestoreDriver Of(RestorePlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return _drivers.FirstOrDefault(driver => driver.PlanKind == plan.Kind) ?? throw new UnreachableException($"no driver has plans of kind {plan.Kind}");
    }

    /// <summary>The driver that made a plan of a restore in place.</summary>
    public IInPlaceDriver InPlaceOf(RestorePlan plan) =>
        Of(plan) as IInPlaceDriver ?? throw new UnreachableException($"plans of kind {plan.Kind} are not for restores in place");
}
