namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>How much a virtual cluster holds.</summary>
/// <param name="Namespaces">Namespaces of the tenant.</param>
/// <param name="Applications">Applications in each: nine objects apiece.</param>
/// <param name="Settings">Further ConfigMaps in each.</param>
/// <param name="CustomResources">Custom resources in all: half of them own the other half.</param>
public sealed record PopulationSize(int Namespaces, int Applications, int Settings, int CustomResources)
{
    /// <summary>For tests that look at single objects.</summary>
    public static readonly PopulationSize Small = new(4, 2, 2, 20);

    /// <summary>Some 2,000 objects over 50 namespaces and 200 custom resources.</summary>
    public static readonly PopulationSize Demo = new(50, 4, 3, 200);

    /// <summary>2,500 namespaces and 10,000 objects.</summary>
    public static readonly PopulationSize Large = new(2500, 0, 3, 0);
}
