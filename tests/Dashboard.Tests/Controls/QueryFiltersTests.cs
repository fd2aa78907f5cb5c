using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

/// <summary>Filters in a page's address, while the browser has not yet answered.</summary>
public sealed class QueryFiltersTests
{
    [Fact]
    public void Second_filter_keeps_the_first_that_the_browser_has_not_answered_yet()
    {
        var browser = new SlowBrowser();
        using var filters = new QueryFilters(browser);

        filters.Set("namespace", "team");
        filters.Set("kind", "Secret");
        browser.Answer();
        filters.Set("find", "app");
        browser.Answer();
        browser.Answer();

        Assert.Equal("http://console/objects?namespace=team&kind=Secret&find=app", browser.Uri);
        Assert.Equal(browser.Uri, filters.With("object", null));
    }

    [Fact]
    public void Empty_filter_leaves_the_address()
    {
        var browser = new SlowBrowser();
        using var filters = new QueryFilters(browser);
        filters.Set("namespace", "team");

        filters.Set(new Dictionary<string, string?> { ["namespace"] = "", ["kind"] = null });
        browser.Answer();
        browser.Answer();

        Assert.Equal("http://console/objects", browser.Uri);
    }

    [Fact]
    public void Whoever_follows_a_link_meanwhile_filters_what_it_names()
    {
        var browser = new SlowBrowser();
        using var filters = new QueryFilters(browser);
        filters.Set("namespace", "team");

        browser.Follow("http://console/objects?kind=Pod");
        Assert.Equal("http://console/objects?kind=Pod&find=app", filters.With("find", "app"));
        filters.Set("find", "app");
        browser.Follow("http://console/runs", isIntercepted: false);

        Assert.Equal("http://console/runs?kind=backup", filters.With("kind", "backup"));
    }

    /// <summary>Says where it is only when it is asked to.</summary>
    private sealed class SlowBrowser : NavigationManager
    {
        private readonly Queue<string> _asked = new();

        public SlowBrowser() => Initialize("http://console/", "http://console/objects");

        public void Answer()
        {
            Uri = _asked.Dequeue();
            NotifyLocationChanged(isInterceptedLink: false);
        }

        public void Follow(string address, bool isIntercepted = true)
        {
            Uri = address;
            NotifyLocationChanged(isIntercepted);
        }

        protected override void NavigateToCore(string uri, NavigationOptions options) => _asked.Enqueue(uri);
    }
}
