using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Incidents;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using EvidenceCard = Hexabase.DrConsole.Dashboard.Pages.Incidents.EvidenceCard;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class IncidentTests : ControlTests
{
    private static readonly Evidence Frozen = new(
        Start,
        [
            new SubjectEvidence("orders", SubjectKind.Database, "10.0.0.1:5432", 4, Start.AddSeconds(-90),
            [
                new ProbeEvidence("tcp", ProbeKind.Reach, ProbeAnswer.Answered, 0.4, null, null, Start, 0),
                new ProbeEvidence("read", ProbeKind.Query, ProbeAnswer.NoAnswer, 5000, "no answer within 5 s", null, Start, 4),
                new ProbeEvidence("checksums", ProbeKind.Integrity, ProbeAnswer.NotDetectable, 3, "data checksums are off", null, Start, 0),
            ]),
        ],
        [new EvidenceRemark(Remark.PortOpensServerSilent, "orders", "10.0.0.1:5432")],
        [new EvidenceRemark(Remark.FrozenOrOverloaded, "orders"), new EvidenceRemark(Remark.UnannouncedMaintenance, "orders")]);

    [Fact]
    public void Card_shows_who_said_what_where_probes_disagree_and_what_else_it_could_be()
    {
        var card = Render<EvidenceCard>(parameters => parameters.Add(self => self.Card, Evidence.Parse(Frozen.ToJson())));
        Assert.Contains("orders: port 10.0.0.1:5432 opens, the server behind it does not answer.", card.Find(".remarks").TextContent, StringComparison.Ordinal);
        Assert.Equal(2, card.FindAll(".remarks section:last-child li").Count);
        Assert.Equal(["Answers", "No answer", "Not detectable"], card.FindAll(".chip").Select(chip => chip.TextContent.Trim()));
        Assert.Contains("no answer within 5 s", card.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_remark_kind_and_event_has_words()
    {
        Assert.All(Enum.GetValues<Remark>(), remark => Assert.NotEmpty(IncidentWords.Of(new EvidenceRemark(remark, "orders", "Integrity"))));
        Assert.Equal(Enum.GetValues<DisasterKind>().Length, Enum.GetValues<DisasterKind>().Select(IncidentWords.Of).Distinct().Count());
        Assert.All(Enum.GetValues<DisasterKind>(), kind => Assert.Equal(kind, DisasterKinds.Parse(kind.ToName())));
    }

    [Fact]
    public void Incident_is_closed_with_a_reason_only_and_by_who_may()
    {
        var authorization = this.AddAuthorization();
        authorization.SetAuthorized("ann");
        var incident = new Incident(new IncidentId(7), DisasterKind.DatabaseCorruption, ["orders"], IncidentState.Confirmed, Start, Start, Frozen.ToJson());
        string? closed = null;
        var acts = Render<IncidentActs>(parameters => parameters.Add(self => self.Incident, incident).Add(self => self.Thresholds, new HealthThresholds())
            .Add(self => self.OnClose, reason =>
            {
                closed = reason;
                return Task.FromResult(true);
            }));
        Assert.Empty(acts.FindAll("form"));

        authorization.SetPolicies(Policies.CanOperate);
        acts.Render();
        acts.Find("details form").Submit();
        Assert.Null(closed);
        Assert.Single(acts.FindAll(".problem"));
        acts.Find("#incident-reason").Input("restored");
        acts.Find("details form").Submit();
        Assert.Equal("restored", closed);
    }

    /// <summary>The names are those that the probes of the engine have.</summary>
    [Theory]
    [InlineData("tcp", "handshake", "read", "checksums", "amcheck", "disk", "disk-wal", "info", "replication", "memory")]
    [InlineData("readyz", "namespaces", "host", "path", "inodes", "claim", "snapshots", "folder", "store")]
    [InlineData("restore-point", "wal-lag", "wal-holes", "backup-errors")]
    public void Every_probe_has_a_name_for_people(params string[] names) => Assert.All(names, name => Assert.Contains(' ', IncidentWords.Probe(name)));
}
