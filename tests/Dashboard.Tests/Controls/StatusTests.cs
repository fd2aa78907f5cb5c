using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class StatusTests : ControlTests
{
    public static TheoryData<Status> All => [.. Enum.GetValues<Status>()];

    [Theory, MemberData(nameof(All))]
    public void Of_every_status_has_a_word_an_icon_and_a_tone(Status status)
    {
        var word = StatusWords.Of(status);
        Assert.NotEqual(word.WordKey, word.Word);
        Assert.NotEmpty(word.Tone);
        Assert.NotEmpty(Render<StatusIcon>(icon => icon.Add(parameters => parameters.Status, status)).FindAll("path, circle"));
    }

    // Written, copied or queued is never green.
    [Fact]
    public void Of_green_is_only_what_was_restored_read_back_or_answered()
        => Assert.Equal(
            [Status.Proven, Status.Passed, Status.Equal, Status.ReadBack, Status.Answers],
            Enum.GetValues<Status>().Where(status => StatusWords.Of(status).Tone == "proven"));

    [Fact]
    public void Icon_is_hidden_from_readers_of_the_screen()
        => Assert.Equal("true", Render<StatusIcon>().Find("svg").GetAttribute("aria-hidden"));

    [Fact]
    public void Icon_ring_empties_as_the_proof_ages()
    {
        var icon = Render<StatusIcon>(parameters => parameters.Add(self => self.Status, Status.Proven).Add(self => self.Left, 0.25));
        Assert.Contains("25 100", icon.Markup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Status.Proven, false)]
    [InlineData(Status.Stale, true)]
    [InlineData(Status.Unproven, true)]
    [InlineData(Status.NotRun, true)]
    public void Chip_of_what_nobody_measured_is_hollow(Status status, bool isHollow)
    {
        var chip = Render<StatusChip>(parameters => parameters.Add(self => self.Status, status));
        Assert.Equal(isHollow, chip.Find(".chip").ClassList.Contains("hollow"));
        Assert.Contains(StatusWords.Of(status).Word, chip.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Proof_without_the_time_of_its_restore_is_refused()
        => Assert.Throws<InvalidOperationException>(() => Render<ProofBadge>(parameters => parameters.Add(self => self.Status, Status.Proven)));

    [Fact]
    public void Proof_tells_how_and_when()
    {
        var badge = Render<ProofBadge>(parameters => parameters
            .Add(self => self.Status, Status.Proven).Add(self => self.ProvenAt, Start.AddHours(-6)).Add(self => self.How, "D-318"));
        Assert.Equal("Proven", badge.Find(".word").TextContent);
        Assert.Equal("Restored to scratch 6h ago, D-318", badge.Find(".second").TextContent);
    }

    [Fact]
    public void Proof_unproven_tells_what_comes_next()
    {
        var badge = Render<ProofBadge>(parameters => parameters
            .Add(self => self.Status, Status.Unproven).Add(self => self.How, "Never restored. First drill Wed 02:00"));
        Assert.Contains("tone-unproven", badge.Markup, StringComparison.Ordinal);
        Assert.Equal("Never restored. First drill Wed 02:00", badge.Find(".second").TextContent);
    }
}
