using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Catalog;

public sealed class SqlTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_has_a_NUL_in_it_is_kept_with_a_mark_in_its_place()
    {
        await using var text = catalog.Pool.Command("SELECT $1::text", "bucket \0x");
        Assert.Equal("bucket \uFFFDx", await text.ExecuteScalarAsync(Ct));
        // The last is a backslash and "u0000", which is no NUL.
        await using var json = catalog.Pool.Command("SELECT $1::jsonb #>> '{said}'", new Jsonb("""{"said": "a\u0000b\\\u0000c\\u0000"}"""));
        Assert.Equal("a\uFFFDb\\\uFFFDc\\u0000", await json.ExecuteScalarAsync(Ct));
    }
}
