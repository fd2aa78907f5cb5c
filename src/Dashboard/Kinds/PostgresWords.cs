using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Kinds;

/// <summary>PostgreSQL: tables and rows, of dumps and base backups alike.</summary>
internal sealed class PostgresWords : KindWords
{
    public override SourceKind Kind => SourceKind.Postgres;

    public override string Name => PageTexts.KindPostgres;

    public override string Icon => IconShape.Postgres;

    public override IEnumerable<NamedFact> Of(Source source)
    {
        if (source.Postgres is not { } postgres)
        {
            yield break;
        }

        yield return new NamedFact(PageTexts.FactServer, string.Create(CultureInfo.InvariantCulture, $"{postgres.Host}:{postgres.Port}"));
        if (postgres.Standby is { } standby)
        {
            yield return new NamedFact(PageTexts.FactStandby, string.Create(CultureInfo.InvariantCulture, $"{standby.Host}:{standby.Port}"));
        }

        if (postgres.ReadingNode is { } node)
        {
            yield return new NamedFact(VolumeTexts.FactNode, node);
        }

        yield return new NamedFact(PageTexts.FactDatabase, postgres.Database);
        yield return new NamedFact(PageTexts.FactUser, postgres.Username);
        yield return new NamedFact(PageTexts.FactTables, postgres.Tables.Count == 0 ? PageTexts.AllTables : Figures.List(postgres.Tables));
    }

    public override KindSheet Read(PointContent content, TimeProvider time) => FactsSummary.TryParse(content.Facts) is not { } totals ? KindSheet.None : new KindSheet
    {
        Holds = Figures.Format(KindTexts.PostgresLine, totals.Tables, totals.Rows),
        Brief = [new NamedFact(PageTexts.FactTables, Figures.Count(totals.Tables)), new NamedFact(PageTexts.FactRows, Figures.Count(totals.Rows))],
        Facts =
        [
            new NamedFact(PageTexts.FactDatabase, totals.Database),
            new NamedFact(PageTexts.FactServerVersion, totals.ServerVersion),
            .. How(totals),
            new NamedFact(PageTexts.FactTables, Figures.Count(totals.Tables)),
            new NamedFact(PageTexts.FactRows, Figures.Count(totals.Rows)),
            new NamedFact(PageTexts.FactSequences, Figures.Count(totals.Sequences)),
            new NamedFact(PageTexts.FactLargeObjects, Figures.Count(totals.LargeObjects)),
            new NamedFact(PageTexts.FactExtensions, totals.Extensions.Count == 0 ? PageTexts.NoneWord : Figures.List(totals.Extensions)),
        ],
    };

    /// <summary>Of a base backup only: a dump is always asked of the server.</summary>
    private static IEnumerable<NamedFact> How(FactsSummary totals)
    {
        if (totals.Route is { } route)
        {
            var way = route == "files" ? KindTexts.WayDataDirectory : KindTexts.WaySent;
            yield return new NamedFact(PageTexts.FactReadHow, totals.Node is { } node ? Figures.Format(KindTexts.WayOfNode, way, node) : way);
        }
    }
}
