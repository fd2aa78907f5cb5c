using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>The configuration in effect and where each part of it comes from, read-only; and who keeps the keys.</summary>
public partial class SettingsPage : LivePage
{
    private IReadOnlyList<KeyStanding>? _keys;

    [Inject]
    private KeyCustody Custody { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private DeclaredIn Files { get; set; } = default!;

    [Inject]
    private DataFolder Data { get; set; } = default!;

    private IEnumerable<(string Name, string Value, string From)> General =>
    [
        (SettingTexts.SettingName, Estate.Name, From("DrConsole:Name")),
        (SettingTexts.SettingData, Data.Root, Files.OriginOf("DrConsole:DataDirectory") is { } from ? Say(from) : SettingTexts.FromCommandLine),
        (SettingTexts.SettingCatalog, Files.OriginOf("ConnectionStrings:Console") is null ? SettingTexts.CatalogPrivate : SettingTexts.CatalogExternal, From("ConnectionStrings:Console")),
        (SettingTexts.SettingSources, Figures.Count(Estate.Sources.Count), From("DrConsole:Sources")),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _keys = await Custody.ReadAsync(cancellationToken);

    private Task<bool> ConfirmAsync(CustodyWord word) => CustodyActs.ConfirmAsync(act => AdministerAsync(act), Custody, word, RefreshAsync);

    private string From(string key) => Files.OriginOf(key) is { } origin ? Say(origin) : SettingTexts.FromDefault;

    private static string Say(string origin) => origin == DeclaredIn.Environment ? SettingTexts.FromEnvironment : origin;

    private string SourcesOf(ProtectionClass one) => Estate.Sources.Where(source => Estate.ClassOf(source).Name == one.Name).Select(source => source.Name).ToList() is { Count: > 0 } names
        ? string.Join(", ", names)
        : PageTexts.NoneWord;
}
