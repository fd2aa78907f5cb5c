using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>What sort of thing is looked at.</summary>
public enum SubjectKind
{
    /// <summary>A PostgreSQL or Redis source.</summary>
    Database,

    /// <summary>A virtual cluster.</summary>
    VCluster,

    /// <summary>A volume.</summary>
    Volume,

    /// <summary>A storage tier.</summary>
    Tier,
}

/// <summary>A source or a tier that is looked at.</summary>
/// <param name="Name">The source's or tier's name.</param>
/// <param name="Endpoint">Where on the network it is, as <c>host:port</c>; null where it is on this machine and so tells nothing of the network.</param>
public sealed record HealthSubject(string Name, SubjectKind Kind, string? Endpoint)
{
    /// <summary>Its name among sources and tiers: <c>source/orders</c>, <c>tier/hot</c>.</summary>
    public string Id => IdOf(Name, Kind);

    public bool IsSource => Kind != SubjectKind.Tier;

    /// <summary>True where it listens on this machine alone.</summary>
    public bool IsOnThisMachine => Endpoint is { } at && (at.StartsWith("127.", StringComparison.Ordinal) || at.StartsWith("localhost:", StringComparison.Ordinal) || at.StartsWith("::1:", StringComparison.Ordinal));

    /// <summary>True where it is on another machine. Of a virtual cluster its name does not say.</summary>
    public bool IsElsewhere => Endpoint is not null && Kind != SubjectKind.VCluster && !IsOnThisMachine;

    public static string IdOf(string name, SubjectKind kind) => (kind == SubjectKind.Tier ? "tier/" : "source/") + name;

    /// <summary>The ids of what an incident or a verdict names.</summary>
    public static IEnumerable<string> IdsOf(IEnumerable<string> sources, IEnumerable<string> tiers) =>
        sources.Select(name => IdOf(name, SubjectKind.Database)).Concat(tiers.Select(name => IdOf(name, SubjectKind.Tier)));

    public static HealthSubject Of(Source source) => source switch
    {
        { Postgres: { } postgres } => new(source.Name, SubjectKind.Database, Address(postgres.Host, postgres.Port)),
        { Redis: { } redis } => new(source.Name, SubjectKind.Database, Address(redis.Host, redis.Port)),
        { Kind: SourceKind.VCluster } => new(source.Name, SubjectKind.VCluster, $"vcluster:{source.VCluster?.Namespace}"),
        _ => new(source.Name, SubjectKind.Volume, null),
    };

    public static HealthSubject Of(StorageTier tier)
    {
        var url = StoreUrl.Parse(tier.Store);
        return new(tier.Name, SubjectKind.Tier, EndpointOf(url) is { } at ? Address(at.Host, at.Port) : null);
    }

    /// <summary>Where a store listens; null for a directory.</summary>
    public static (string Host, int Port)? EndpointOf(StoreUrl url)
    {
        ArgumentNullException.ThrowIfNull(url);
        return url switch
        {
            { S3.Endpoint: { } endpoint } => (endpoint.Host, endpoint.Port),
            { S3: { } s3 } => ($"s3.{s3.Region ?? "us-east-1"}.amazonaws.com", 443),
            { Sftp: { } sftp } => (sftp.Host, sftp.Port),
            _ => null,
        };
    }

    private static string? Address(string host, int port) => host.StartsWith('/') ? null : string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
}
