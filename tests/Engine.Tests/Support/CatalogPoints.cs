using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>Restore points that a test made by hand, as the catalog knows them.</summary>
internal static class CatalogPoints
{
    extension(CatalogServer catalog)
    {
        /// <summary>Records a restore point as its backup run would, and reads it back.</summary>
        public async Task<RestorePointRow> RecordAsync(Manifest manifest, CancellationToken cancellationToken)
        {
            await using (var connection = await catalog.Pool.OpenConnectionAsync(cancellationToken))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                await RestorePointCatalog.RecordAsync(transaction, manifest, null, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }

            return await new RestorePointCatalog(catalog.Pool).FindAsync(manifest.Id.Value, cancellationToken);
        }
    }
}
