using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

public sealed class DumpToolsTests
{
    private static PostgresBinaries Version(int major) => new(major, $"{major}.1", $"/opt/{major}");

    [Fact]
    public void ForDump_same_major_is_preferred_without_a_warning()
    {
        var (binaries, warning) = DumpTools.ForDump([Version(17), Version(15), Version(13)], 15);
        Assert.Equal((15, null), (binaries.Major, warning));
    }

    [Fact]
    public void ForDump_newer_one_is_taken_with_a_warning()
    {
        var (binaries, warning) = DumpTools.ForDump([Version(18), Version(17)], 15);
        Assert.Equal(17, binaries.Major);
        Assert.Contains("may not restore", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void ForDump_only_older_ones_are_refused_with_what_to_install()
    {
        var fault = Assert.Throws<EngineException>(() => DumpTools.ForDump([Version(13)], 15));
        Assert.Equal("pg-dump-older-than-server", fault.Code);
        Assert.Contains("postgresql-client-15", fault.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void ForDump_none_is_refused_with_what_to_install()
    {
        var fault = Assert.Throws<EngineException>(() => DumpTools.ForDump([], 15));
        Assert.Equal("pg-dump-missing", fault.Code);
        Assert.Contains("postgresql-client-15", fault.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(15, 15, 15)]
    [InlineData(15, 17, 17)]
    [InlineData(17, 15, 17)]
    [InlineData(16, 14, 17)]
    public void ForRestore_reads_the_dump_and_prefers_the_targets_major(int dump, int target, int expected) =>
        Assert.Equal(expected, DumpTools.ForRestore([Version(17), Version(15)], dump, target).Major);

    [Theory]
    [InlineData("orders", "public", "orders")]
    [InlineData("shop.orders", "shop", "orders")]
    [InlineData("\"Über shop\".\"Bestell \"\"Zeilen\"\".x\"", "Über shop", "Bestell \"Zeilen\".x")]
    public void ParseTable_reads_names_as_people_write_them(string text, string schema, string name) =>
        Assert.Equal((schema, name), SqlName.ParseTable(text));

    [Fact]
    public void Without_leaves_out_only_the_foreign_keys_named()
    {
        var list = DumpList.Parse("""
            ;     dbname: orders
            3245; 2606 16444 FK CONSTRAINT public order items order items_fkey owner
            3246; 2606 16445 FK CONSTRAINT public order items order items_fkey2 owner
            10; 1259 5 TABLE public order items owner
            11; 0 5 TABLE DATA public order items owner
            3707; 0 0 COMMENT - EXTENSION citext
            """);

        Assert.True(list.HasTable("public", "order items"));
        Assert.True(list.HasRows("public", "order items"));
        Assert.False(list.HasTable("public", "items"));
        var kept = list.Without([new DanglingForeignKey("public", "order items", "order items_fkey")], extensionComments: true);
        Assert.DoesNotContain("3245;", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("3707;", kept, StringComparison.Ordinal);
        Assert.Contains("3246;", kept, StringComparison.Ordinal);
    }
}
