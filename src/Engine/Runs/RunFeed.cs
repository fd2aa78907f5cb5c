using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>Hears from the catalog which runs changed; whoever listens reads again by sequence number.</summary>
public sealed class RunFeed(NpgsqlDataSource catalog, TimeProvider time, ILogger<RunFeed> log)
    : CatalogFeed<RunId>(catalog, Channel, id => new RunId(id), time, log)
{
    internal const string Channel = "drconsole_run";
}
