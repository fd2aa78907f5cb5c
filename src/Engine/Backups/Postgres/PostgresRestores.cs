using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>The two ways to restore a PostgreSQL source.</summary>
/// <param name="Logical">Into a new database of a running server.</param>
/// <param name="Physical">Into a new data directory, to a moment.</param>
public sealed record PostgresRestores(LogicalRestore Logical, PhysicalRestore Physical);
