using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>How the WAL of one source is received, read beside its page: what cannot be read here hides nothing else.</summary>
public partial class SourceWal : LivePage
{
    private WalReceiverRow? _receiver;
    private IReadOnlyList<WalTierRow> _tiers = [];
    private IReadOnlyList<WalGapRow> _gaps = [];

    /// <summary>The source's name.</summary>
    [Parameter, EditorRequired]
    public string Source { get; set; } = string.Empty;

    [Inject]
    private WalCatalog Wal { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _receiver = await Wal.ReceiversAsync(Source, cancellationToken) is [var one, ..] ? one : null;
        _tiers = await Wal.TiersAsync(Source, cancellationToken);
        _gaps = await Wal.GapsAsync(Source, onlyOpen: true, cancellationToken);
    }
}
