using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// The filters of a page, kept in its address. The browser confirms an address one round trip after it was asked for, and until then
/// <see cref="NavigationManager.Uri"/> is the old one: a second filter that built upon it would take the first one back.
/// </summary>
public sealed class QueryFilters : IDisposable
{
    private readonly NavigationManager _navigation;
    private string? _asked;

    /// <summary>For one circuit, or one answer to a browser.</summary>
    public QueryFilters(NavigationManager navigation)
    {
        ArgumentNullException.ThrowIfNull(navigation);
        _navigation = navigation;
        navigation.LocationChanged += OnLocationChanged;
    }

    /// <summary>The address that the page will have once the browser has answered.</summary>
    private string Latest => _asked ?? _navigation.Uri;

    /// <summary>Goes to the page with one filter set, or without it where the value is null or empty.</summary>
    public void Set(string name, string? value) => Set(new Dictionary<string, string?> { [name] = value });

    /// <summary>Goes to the page with these filters set, without those that are null or empty.</summary>
    public void Set(IReadOnlyDictionary<string, string?> filters)
    {
        var asked = With(filters);
        // Before the call: it may answer within it.
        _asked = asked;
        _navigation.NavigateTo(asked);
    }

    /// <summary>The page's address with one filter set, for a link.</summary>
    public string With(string name, string? value) => With(new Dictionary<string, string?> { [name] = value });

    /// <summary>The page's address with these filters set, for a link.</summary>
    public string With(IReadOnlyDictionary<string, string?> filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        return _navigation.GetUriWithQueryParameters(Latest, filters.ToDictionary(one => one.Key, one => (object?)(one.Value is "" ? null : one.Value)));
    }

    /// <inheritdoc/>
    public void Dispose() => _navigation.LocationChanged -= OnLocationChanged;

    private void OnLocationChanged(object? sender, LocationChangedEventArgs args)
    {
        // The answer to an earlier wish is not yet the one that was asked for last; whoever followed a link wants what it names.
        if (args.IsNavigationIntercepted || _asked is null || args.Location == _asked || PathOf(args.Location) != PathOf(_asked))
        {
            _asked = null;
        }
    }

    private static string PathOf(string address) => address.Split('?', '#')[0];
}
