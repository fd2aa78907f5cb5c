using System.Diagnostics;
using Hexabase.DrConsole.EndToEnd.Support;
using Xunit.Sdk;
using Xunit.v3;

[assembly: CollectionBehavior(CollectionBehavior.CollectionPerAssembly)]
[assembly: TestClassOrderer(typeof(VisitOrder))]
[assembly: TestMethodOrderer(typeof(VisitOrder))]

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// One console is visited by all tests, one after the other: an overview is empty only once, and what a damaged tier shows must
/// not stand in the way of the others, nor a second source, which comes last. Each test makes for itself what it needs beyond that, so that any may run alone.
/// </summary>
public sealed class VisitOrder : ITestClassOrderer, ITestMethodOrderer
{
    private static readonly Type[] s_classes =
    [
        typeof(FirstVisitTests), typeof(BackupTests), typeof(RestoreTests), typeof(SignInTests), typeof(ShellTests), typeof(LanguageTests),
        typeof(PageTests), typeof(KeepingTests), typeof(PractisingTests), typeof(CrashTests), typeof(DamageTests), typeof(ClusterTests),
    ];

    public IReadOnlyCollection<TTestClass?> OrderTestClasses<TTestClass>(IReadOnlyCollection<TTestClass?> testClasses)
        where TTestClass : ITestClass =>
        [.. testClasses.OrderBy(one => Place(one?.TestClassName))];

    public IReadOnlyCollection<TTestMethod?> OrderTestMethods<TTestMethod>(IReadOnlyCollection<TTestMethod?> testMethods)
        where TTestMethod : ITestMethod =>
        [.. testMethods.OrderBy(one => one is IXunitTestMethod method ? method.Method.MetadataToken : 0)];

    private static int Place(string? name)
    {
        var place = Array.FindIndex(s_classes, one => one.FullName == name);
        return place >= 0 ? place : throw new UnreachableException($"{name} has no place in {nameof(VisitOrder)}");
    }
}
