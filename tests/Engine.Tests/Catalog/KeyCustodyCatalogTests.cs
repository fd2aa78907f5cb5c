using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Catalog;

/// <summary>Who keeps the keys, on rows of the test's own.</summary>
public sealed class KeyCustodyCatalogTests(CatalogServer server)
{
    private readonly string _file = $"/keys/{Guid.NewGuid():n}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Last_word_stands_and_each_is_an_audit_event_without_the_digest()
    {
        var custody = new KeyCustodyCatalog(server.Pool);
        await custody.ConfirmAsync(_file, "digest one", " safe in Osaka ", "ito", Ct);
        await custody.ConfirmAsync(_file, "digest two", "vault", "sato", Ct);

        var last = (await custody.LastAsync(Ct)).Single(row => row.KeyFile == _file);
        Assert.Equal(("digest two", "vault", "sato"), (last.KeyDigest, last.KeptAt, last.ConfirmedBy));
        var events = (await AuditLog.NewestAsync(server.Pool, 50, Ct)).Where(one => one.Subject == _file).ToList();
        Assert.Equal(["sato", "ito"], events.Select(one => one.Actor));
        Assert.All(events, one => Assert.DoesNotContain("digest", one.Details, StringComparison.Ordinal));
        Assert.Contains("safe in Osaka", events[1].Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Word_without_a_place_is_refused_and_leaves_nothing()
    {
        var custody = new KeyCustodyCatalog(server.Pool);
        var refused = await Assert.ThrowsAsync<EngineException>(() => custody.ConfirmAsync(_file, "digest", "  ", "ito", Ct));
        Assert.Equal("place-missing", refused.Code);
        Assert.DoesNotContain(await custody.LastAsync(Ct), row => row.KeyFile == _file);
    }
}
