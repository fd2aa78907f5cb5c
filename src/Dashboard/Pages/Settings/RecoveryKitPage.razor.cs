using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>What to print and keep: how restore points are read when this console is gone. Names where the keys are and shows none.</summary>
public partial class RecoveryKitPage : LivePage
{
    private IReadOnlyList<KitRepository>? _repositories;
    private IReadOnlyList<KeyStanding>? _keys;
    private DateTimeOffset _readAt;

    [Inject]
    private RecoveryKit Kit { get; set; } = default!;

    [Inject]
    private KeyCustody Custody { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    private static IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavSettings, "/settings"), new Crumb(SettingTexts.KitTitle)];

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => false;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _keys = await Custody.ReadAsync(cancellationToken);
        if (_repositories is null)
        {
            // Opening each repository derives its key, which is slow on purpose: once for a visit.
            _repositories = await Kit.ReadAsync(cancellationToken);
            _readAt = Time.GetUtcNow();
        }
    }

    private static string Commands(KitRepository one) => string.Join(
        '\n', $"# {one.Workspace}", one.Command("list"), one.Command("check", "--level L1"), one.Command("restore ID", "--to ./restored"));

    private Task<bool> ConfirmAsync(CustodyWord word) => CustodyActs.ConfirmAsync(act => AdministerAsync(act), Custody, word, RefreshAsync);

    private Task PrintAsync() => TryAsync(async token => await Js.InvokeVoidAsync("print", token));
}
