using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>The files of a restore point, folder by folder; where one is and what one looks for is the page's address.</summary>
public partial class VolumeFiles : IAsyncDisposable
{
    private const string Directory = "directory";
    private const string File = "file";
    private const string HardLink = "hard link";

    private readonly CancellationTokenSource _left = new();
    private OpenVolume? _volume;
    private VolumeListing? _listing;
    private List<TreeEntry> _rows = [];
    private Exception? _fault;
    private string? _shown;
    private string _text = "";

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    /// <summary>The file tree; null for the only one of a volume's restore point.</summary>
    [Parameter]
    public string? Artifact { get; set; }

    /// <summary>The address of the page that this stands on, without a query.</summary>
    [Parameter, EditorRequired]
    public string Home { get; set; } = "";

    /// <summary>The folder, from the tree's root; empty for the root.</summary>
    [Parameter]
    public string Path { get; set; } = "";

    /// <summary>What is looked for by name; empty to look at the folder.</summary>
    [Parameter]
    public string Find { get; set; } = "";

    /// <summary>Asks to restore a folder, with a slash at its end, or a file; empty for everything.</summary>
    [Parameter]
    public EventCallback<string> OnRestore { get; set; }

    [Inject]
    private VolumeBrowsing Browsing { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private bool IsSearch => Find.Length > 0;

    private string Second => _listing is null ? ""
        : _listing.IsCut ? Figures.Format(VolumeTexts.FoundCut, _listing.Entries.Count)
        : Figures.Format(VolumeTexts.EntryCount, _listing.Entries.Count, _volume!.Tier);

    /// <summary>The folders on the way, the root first.</summary>
    private IEnumerable<(string Name, string Path)> Ways
    {
        get
        {
            yield return (VolumeTexts.Root, "");
            for (var end = Path.IndexOf('/', StringComparison.Ordinal); Path.Length > 0; end = Path.IndexOf('/', end + 1))
            {
                var path = end < 0 ? Path : Path[..end];
                yield return (path[(path.LastIndexOf('/') + 1)..], path);
                if (end < 0)
                {
                    yield break;
                }
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        if (_volume is not null)
        {
            await _volume.DisposeAsync();
        }

        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override async Task OnParametersSetAsync()
    {
        // The page around it is drawn anew whenever a run changes; the files of a restore point never do.
        var wanted = $"{Point.Id}\n{Path}\n{Find}";
        if (_shown == wanted)
        {
            return;
        }

        (_shown, _listing, _fault, _text) = (wanted, null, null, Find);
        try
        {
            _volume ??= await Browsing.OpenAsync(Point.Id, Artifact, _left.Token);
            if (_volume.HasTree)
            {
                var listing = IsSearch ? await _volume.SearchAsync(Find, _left.Token) : await _volume.ListAsync(Path, _left.Token);
                if (_shown == wanted)
                {
                    (_listing, _rows) = (listing, [.. listing.Entries]);
                }
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or JSDisconnectedException or ObjectDisposedException)
        {
            // The reader has left.
        }
        catch (Exception fault)
        {
            // The edge of a panel: the rest of the page stands.
            _fault = fault;
        }
    }

    private void FindAsync() => Filters.Set("find", _text.Trim());

    private string HrefOf(string path) => $"{Home}{(path.Length > 0 ? "?path=" + Uri.EscapeDataString(path) : "")}";

    private static string FolderOf(string path) => path.Length == 0 ? "" : path + "/";

    /// <summary>In a search the whole path, else the name alone.</summary>
    private string NameOf(TreeEntry entry) => IsSearch ? entry.Path : entry.Path[(entry.Path.LastIndexOf('/') + 1)..];

    private static string KindOf(TreeEntry entry) => entry.Kind switch
    {
        Directory => "",
        "link" => VolumeTexts.KindLink,
        HardLink => VolumeTexts.KindHardLink,
        _ => VolumeTexts.KindSpecial,
    };
}
