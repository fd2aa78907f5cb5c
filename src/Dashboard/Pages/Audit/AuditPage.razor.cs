using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Audit;
using Microsoft.AspNetCore.Components;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Pages.Audit;

/// <summary>Every change by a person or by the engine, newest first, and whether the chain holds.</summary>
public partial class AuditPage : LivePage
{
    private const int MostRows = 300;
    private IReadOnlyList<AuditEvent>? _events;
    private AuditVerification? _verification;

    [Inject]
    private NpgsqlDataSource Catalog { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) =>
        _events = await AuditLog.NewestAsync(Catalog, MostRows, cancellationToken);

    private Task VerifyAsync() => TryAsync(async token => _verification = await AuditLog.VerifyAsync(Catalog, token));
}
