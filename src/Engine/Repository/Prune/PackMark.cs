namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// An immutable object of one tier about packs that nobody may lean on any more, or about restore points that the tier gave
/// up. Never copied to another tier.
/// </summary>
/// <param name="Id">The object's id; new each time that a mark is written anew with fewer packs.</param>
/// <param name="Mark">The mark's own id, which stays when it is written anew: sessions name it.</param>
/// <param name="Kind">One of the constants below.</param>
/// <param name="CreatedAt">When the mark was made, by the store's clock; stays when it is written anew.</param>
/// <param name="GraceSeconds">How long no pack of it is deleted.</param>
/// <param name="Packs">Hex names of packs.</param>
/// <param name="Points">Restore points, of the kind <see cref="Expired"/>.</param>
/// <param name="Reason">Why, for people.</param>
internal sealed record PackMark(
    string Id, string Mark, string Kind, DateTimeOffset CreatedAt, double GraceSeconds, IReadOnlyList<string> Packs,
    IReadOnlyList<RestorePointId> Points, string? Reason)
{
    /// <summary>Packs that no restore point needs: deleted after the grace period, unless one needs them then.</summary>
    public const string Unreferenced = "unreferenced";

    /// <summary>Packs that are not as they were written. They stay until nothing needs what is left of them.</summary>
    public const string Damaged = "damaged";

    /// <summary>Restore points that retention gave up in this tier, so that nobody takes them for lost.</summary>
    public const string Expired = "expired";

    /// <summary>A mark that begins now.</summary>
    public static PackMark New(
        string kind, DateTimeOffset now, TimeSpan grace, IReadOnlyList<string> packs, IReadOnlyList<RestorePointId>? points = null, string? reason = null)
    {
        var id = Guid.CreateVersion7(now).ToString("N");
        return new PackMark(id, id, kind, now, grace.TotalSeconds, packs, points ?? [], reason);
    }
}
