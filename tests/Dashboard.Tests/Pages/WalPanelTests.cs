using Bunit;
using Hexabase.DrConsole.Dashboard.Pages.Sources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>What the receiver of a source's WAL found stands on the source's page.</summary>
public sealed class WalPanelTests : BunitContext
{
    private static readonly DateTimeOffset s_noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public WalPanelTests() => Services.AddSingleton<TimeProvider>(new FakeTimeProvider(s_noon));

    [Fact]
    public void Notices_gaps_damage_and_commits_that_wait_are_shown_with_the_tiers()
    {
        var panel = Render<WalPanel>(with => with
            .Add(one => one.Receiver, Receiver("streaming", isAlive: true, ["slot drconsole_orders was advanced by somebody else to 0/9"]) with { CommitsWaitSince = s_noon.AddMinutes(-2) })
            .Add(one => one.Tiers, [Tier("hot", "streaming", null, new WalHoleRow(1, "0/2000000", "0/3000000", true)), Tier("warm", "down", "it does not answer")])
            .Add(one => one.Gaps, [new WalGapRow(1, "orders", "74", 1, new NpgsqlLogSequenceNumber(0x5000000), new NpgsqlLogSequenceNumber(0x6000000), "WAL is gone", s_noon, null, null, null)]));

        Assert.Contains("slot drconsole_orders was advanced by somebody else to 0/9", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("Commits of the server have been waiting since", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("In hot the WAL of timeline 1 from 0/2000000 to 0/3000000 is damaged.", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("Gap on timeline 1 from 0/5000000 to 0/6000000", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("warm: it does not answer", panel.Markup, StringComparison.Ordinal);
        Assert.Equal(["hot", "warm"], panel.FindAll("tbody tr").Select(row => row.QuerySelector("td")!.TextContent));
        Assert.DoesNotContain("Nothing else was found.", panel.Markup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("streaming", true, "receiving")]
    [InlineData("streaming", false, "no process receives")]
    [InlineData("failed", true, "not received")]
    [InlineData("starting", true, "starting")]
    public void State_is_that_of_a_receiver_that_lives(string state, bool isAlive, string word)
    {
        var panel = Render<WalPanel>(with => with.Add(one => one.Receiver, Receiver(state, isAlive, [])));

        Assert.Equal(word, panel.Find(".head .chip").TextContent.Trim());
        Assert.Contains("Nothing else was found.", panel.Markup, StringComparison.Ordinal);
    }

    private static WalReceiverRow Receiver(string state, bool isAlive, string[] notices) => new(
        "orders", state, s_noon.AddHours(-1), isAlive, "74", 1, new NpgsqlLogSequenceNumber(0x7000000), new NpgsqlLogSequenceNumber(0x6F00000), s_noon, null, notices);

    private static WalTierRow Tier(string name, string state, string? message, params WalHoleRow[] holes) =>
        new("orders", name, state, 1, new NpgsqlLogSequenceNumber(0x6F00000), s_noon, 100, 0.4, null, null, message, s_noon, s_noon, holes);
}
