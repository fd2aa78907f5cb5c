using Hexabase.DrConsole.Engine.Tests.Support;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// Begins with the collections that several classes share: their tests wait for each other, so what begins last with them ends last,
/// alone. The rest follows in an order that does not depend on where the tests lie.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(IsOfOneClass).ThenBy(one => one.TestCollectionDisplayName, StringComparer.Ordinal)];

    private static bool IsOfOneClass<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection => collection.TestCollectionDisplayName.StartsWith("Test collection for ", StringComparison.Ordinal);
}
