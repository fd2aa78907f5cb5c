using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>What a restore point's last validation says of it, everywhere the same.</summary>
internal static class PointProof
{
    /// <summary>Proven only as long as a proof holds; unproven where there was none, or none was possible.</summary>
    public static Status StatusOf(ValidationRow? last, TimeSpan lifetime, DateTimeOffset now) => last switch
    {
        null or { NotProvable: true } => Status.Unproven,
        { Passed: false } => Status.Failed,
        _ => OfProof(last.ValidatedAt, lifetime, now),
    };

    /// <summary>Of a validation that passed; null where there was none.</summary>
    public static Status OfProof(DateTimeOffset? provenAt, TimeSpan lifetime, DateTimeOffset now) =>
        provenAt is not { } at ? Status.Unproven : now - at > lifetime ? Status.Stale : Status.Proven;

    /// <summary>As programs read it: <c>proven</c>, <c>stale</c>, <c>unproven</c> or <c>failed</c>.</summary>
    public static string NameOf(Status status) => status switch
    {
        Status.Proven => "proven",
        Status.Stale => "stale",
        Status.Failed => "failed",
        _ => "unproven",
    };

    /// <summary>How long a proof of a source's restore points holds: by its class as it is configured now, else by the class that a point was made with.</summary>
    public static TimeSpan ProofLifetimeOf(this ProtectedEstate estate, string source, string madeWith = "standard")
    {
        var name = estate.Sources.FirstOrDefault(one => one.Name == source)?.Class ?? madeWith;
        return (estate.Classes.TryGetValue(name, out var found) ? found : estate.Classes["standard"]).ProofLifetime;
    }
}
