using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

public sealed class FactsComparisonTests
{
    private static readonly ContentFacts s_facts = new()
    {
        Version = ContentFacts.CurrentVersion,
        Database = "orders",
        ServerVersion = "15.18",
        ServerVersionNumber = 150018,
        Owner = "o",
        Locale = new DatabaseLocale("UTF8", "C", "C", "c", null, null),
        TakenAt = DateTimeOffset.UnixEpoch,
        DatabaseBytes = 1,
        AllTables = true,
        Tables = [Table("a", 5, "17"), Table("b", 0, "0")],
        Sequences = [Sequence(1, 10, 10)],
        LargeObjects = new LargeObjectFacts(1, 3, "5"),
        Extensions = [new ExtensionFacts("citext", "1.6")],
        Structure = [new StructureFacts("view", 2, "d1", ["public.v", "public.w"]), new StructureFacts("owner", 1, "d2", ["public.v alice"])],
        Roles = [],
        Tablespaces = [],
        Settings = [],
        Grants = [],
        DanglingForeignKeys = [],
    };

    [Fact]
    public void Compare_with_itself_is_equal_and_survives_json() =>
        Assert.True(FactsComparison.Compare(s_facts, ContentFacts.Parse(s_facts.ToJson())).AllEqual);

    [Fact]
    public void Compare_a_difference_that_sums_would_hide_is_named()
    {
        var swapped = s_facts with { Tables = [Table("a", 0, "0"), Table("b", 5, "17")] };
        Assert.Equal(["public.a", "public.b"], FactsComparison.Compare(s_facts, swapped).Faults.Select(fault => fault.Name));
    }

    [Fact]
    public void Compare_missing_and_extra_objects_are_named()
    {
        var found = s_facts with
        {
            Tables = [Table("a", 5, "17"), Table("c", 0, "0")],
            Structure = [new StructureFacts("view", 2, "d3", ["public.v", "public.x"]), s_facts.Structure[1]],
        };
        var faults = FactsComparison.Compare(s_facts, found).Faults.Select(fault => (fault.Name, fault.Outcome));
        Assert.Equal(
            [("public.b", FactOutcome.Missing), ("public.c", FactOutcome.Extra), ("public.w", FactOutcome.Missing), ("public.x", FactOutcome.Extra)],
            faults);
    }

    [Fact]
    public void Compare_without_owners_leaves_them_out()
    {
        var found = s_facts with { Structure = [s_facts.Structure[0]] };
        Assert.False(FactsComparison.Compare(s_facts, found).AllEqual);
        Assert.True(FactsComparison.Compare(s_facts, found, withOwnersAndGrants: false).AllEqual);
    }

    [Fact]
    public void Compare_another_digest_method_is_no_silent_match()
    {
        var found = s_facts with { Tables = [s_facts.Tables[0] with { Method = DigestMethod.Text }, s_facts.Tables[1]] };
        Assert.Equal(FactOutcome.Differs, Assert.Single(FactsComparison.Compare(s_facts, found).Faults).Outcome);
    }

    [Theory]
    [InlineData(10, 10, 10, FactOutcome.Equal)]
    [InlineData(10, 10, 11, FactOutcome.Differs)]
    [InlineData(10, 20, 15, FactOutcome.Equal)]
    [InlineData(10, 20, 9, FactOutcome.Differs)]
    [InlineData(10, 20, 21, FactOutcome.Differs)]
    [InlineData(20, 10, 30, FactOutcome.Noted)]
    public void Compare_a_sequence_must_lie_where_it_was_while_the_dump_ran(long before, long after, long restored, FactOutcome outcome)
    {
        var source = s_facts with { Sequences = [Sequence(1, before, after)] };
        var found = s_facts with { Sequences = [Sequence(1, restored, restored)] };
        Assert.Equal(outcome, FactsComparison.Compare(source, found).Results.Single(result => result.Kind == "sequence").Outcome);
    }

    [Fact]
    public void Bounded_keeps_the_faults()
    {
        var found = s_facts with { Tables = [s_facts.Tables[0], Table("b", 1, "9")] };
        Assert.Equal("public.b", Assert.Single(FactsComparison.Compare(s_facts, found).Bounded(1).Results).Name);
    }

    [Theory]
    [InlineData("{}", "facts-damaged")]
    [InlineData("{\"version\":", "facts-damaged")]
    public void Parse_what_are_no_facts_is_damaged(string json, string code) =>
        Assert.Equal(code, Assert.Throws<EngineException>(() => ContentFacts.Parse(System.Text.Encoding.UTF8.GetBytes(json))).Code);

    [Fact]
    public void Parse_newer_version_is_refused() =>
        Assert.Equal("facts-version-unknown", Assert.Throws<EngineException>(() => ContentFacts.Parse((s_facts with { Version = 2 }).ToJson())).Code);

    private static TableFacts Table(string name, long rows, string digest) => new("public", name, rows, digest, DigestMethod.Record, "c", "permanent");

    private static SequenceFacts Sequence(long increment, long before, long after) => new("public", "s", increment, before, true, after, true);
}
