using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Catalog;

public sealed class SessionCatalogTests(CatalogServer catalog)
{
    private readonly SessionCatalog _sessions = new(catalog.Pool);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Session_holds_for_its_person_until_it_is_ended_which_is_in_the_audit_once()
    {
        var person = await PersonAsync();
        var (id, other) = (await _sessions.BeginAsync(person, TimeSpan.FromHours(24), Ct), await _sessions.BeginAsync(person, TimeSpan.FromHours(24), Ct));
        Assert.True(await _sessions.HoldsAsync(id, person, Ct));
        Assert.False(await _sessions.HoldsAsync(id, await PersonAsync(), Ct));
        Assert.False(await _sessions.HoldsAsync("guessed", person, Ct));
        Assert.Equal(0, await CountAsync("SELECT count(*) FROM web_session WHERE encode(digest, 'escape') = $1", id));

        await _sessions.EndAsync(id, Ct);
        await _sessions.EndAsync(id, Ct);

        Assert.False(await _sessions.HoldsAsync(id, person, Ct));
        Assert.True(await _sessions.HoldsAsync(other, person, Ct));
        Assert.Equal(1, await CountAsync("SELECT count(*) FROM audit_event WHERE action = 'access.signed-out' AND actor = $1", person));
    }

    [Fact]
    public async Task Sessions_of_a_person_end_together_by_one_that_holds_and_by_no_other()
    {
        var (person, another) = (await PersonAsync(), await PersonAsync());
        var (id, forgotten) = (await _sessions.BeginAsync(person, TimeSpan.FromHours(24), Ct), await _sessions.BeginAsync(person, TimeSpan.FromHours(24), Ct));
        var theirs = await _sessions.BeginAsync(another, TimeSpan.FromHours(24), Ct);
        await _sessions.EndAllAsync("guessed", Ct);
        Assert.True(await _sessions.HoldsAsync(forgotten, person, Ct));

        await _sessions.EndAllAsync(id, Ct);
        await _sessions.EndAllAsync(id, Ct);

        Assert.False(await _sessions.HoldsAsync(id, person, Ct));
        Assert.False(await _sessions.HoldsAsync(forgotten, person, Ct));
        Assert.True(await _sessions.HoldsAsync(theirs, another, Ct));
        Assert.Equal(1, await CountAsync("SELECT count(*) FROM audit_event WHERE action = 'access.signed-out' AND actor = $1 AND details::jsonb @> '{\"everywhere\": true, \"sessions\": 2}'", person));
    }

    [Fact]
    public async Task Session_ends_by_itself_and_is_removed_when_somebody_signs_in()
    {
        var person = await PersonAsync();
        var id = await _sessions.BeginAsync(person, TimeSpan.Zero, Ct);
        Assert.False(await _sessions.HoldsAsync(id, person, Ct));
        await _sessions.BeginAsync(await PersonAsync(), TimeSpan.FromHours(1), Ct);

        Assert.Equal(0, await CountAsync("SELECT count(*) FROM web_session WHERE person = $1", person));
    }

    private async Task<string> PersonAsync()
    {
        var name = $"s{Guid.NewGuid():n}";
        await catalog.Pool.Command("INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, 'none', 'Viewer', 'tester')", name).RunAsync(Ct);
        return name;
    }

    private async Task<long> CountAsync(string sql, string value) => (long)(await catalog.Pool.Command(sql, value).FirstAsync(row => (object)row.GetInt64(0), Ct))!;
}
