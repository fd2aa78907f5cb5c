using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Hears from the catalog which incidents were suspected, confirmed, changed or resolved.</summary>
public sealed class IncidentFeed(NpgsqlDataSource catalog, TimeProvider time, ILogger<IncidentFeed> log)
    : CatalogFeed<IncidentId>(catalog, Channel, id => new IncidentId(id), time, log)
{
    /// <summary>PostgreSQL's channel; the payload is the incident's number.</summary>
    public const string Channel = "drconsole_incident";
}
