using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A report says what a recovery was, and nobody can change it unseen.</summary>
public sealed class ReportTests(RecoveryRig rig) : IClassFixture<RecoveryRig>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_report_names_who_approved_what_and_what_was_measured_and_its_signature_finds_every_changed_byte()
    {
        await rig.DamageAsync();
        var incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        var plan = await rig.PlanAsync(incident);
        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.AdvanceAsync(run.Id);
        await Assert.ThrowsAsync<EngineException>(() => rig.ApproveAsync(run.Id, "olga"));
        await rig.ApproveAsync(run.Id, "paul");
        var ended = await rig.AdvanceAsync(run.Id);
        Assert.True(ended.State == RunState.Completed, ended.ErrorJson);

        var report = await rig.Reports.WriteAsync(ended.Id, Ct);

        Assert.Equal((ended.Id.ToString(), false, "completed"), (report.Run, report.IsDrill, report.Outcome));
        var gate = Assert.Single(report.Gates);
        Assert.Equal((report.Plan.Hash, "olga", "paul"), (gate.SubjectHash, gate.Requester, Assert.Single(gate.Votes).Person));
        Assert.All(report.Steps, step => Assert.True(step.Seconds >= 0));
        Assert.True(report.Targets is { TookSeconds: > 0, WorkSeconds: > 0, LostAtMostSeconds: > 0, RtoSeconds: 86400 });
        // The promise counts from when the service was known to be broken.
        Assert.True(report.Targets.SinceConfirmedSeconds > report.Targets.TookSeconds, $"{report.Targets.SinceConfirmedSeconds} {report.Targets.TookSeconds}");
        Assert.Contains(report.Audit.Events, link => link is { Action: "approval.approve", Actor: "paul" });
        Assert.Contains(report.Audit.Events, link => link is { Action: "approval.refused", Actor: "olga" });
        Assert.True(report.Audit.HeadSeq >= report.Audit.Events[^1].Seq);

        var file = SignedReport.Write(report, rig.ReportKey);
        var trusted = rig.ReportKey.PublicPem();
        var found = SignedReport.Check(file, trusted);
        Assert.Equal(report.Run, found.Report.Run);
        Assert.Equal(report.Gates[0].Votes, found.Report.Gates[0].Votes);
        // Of the signature and its key each byte, of what is signed some.
        const int SignatureBytes = 500;
        for (var at = 0; at < file.Length; at += at < file.Length - SignatureBytes ? Math.Max(1, file.Length / 400) : 1)
        {
            var changed = (byte[])file.Clone();
            changed[at] ^= 1;
            var fault = Assert.Throws<EngineException>(() => SignedReport.Check(changed, trusted));
            Assert.True(fault.Kind == ErrorKind.Damaged, $"byte {at}: {fault.Code} {fault.Message}");
        }

        Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => SignedReport.Check([.. file, (byte)'\n'], trusted)).Kind);
        Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => SignedReport.Check(file[..^40], trusted)).Kind);
        Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => SignedReport.Check(Encoding.UTF8.GetBytes("{}"), trusted)).Kind);
        await rig.SetRightAsync();
    }

    [Fact]
    public async Task A_report_of_another_console_is_whole_but_not_trusted()
    {
        var plan = await rig.PlanAsync();
        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.Recoveries.CancelAsync(run.Id, rollBack: false, "olga", "only a test of it", Ct);
        var report = await rig.Reports.WriteAsync(run.Id, Ct);
        Assert.Equal((false, "cancelled"), (report.IsDrill, report.Outcome));
        // What was promised when it was planned, also where the source is declared no longer.
        var promised = rig.Estate.ClassOf(rig.Source).Rpo.TotalSeconds;
        Assert.Equal(("standard", promised), (report.Class, report.Targets.RpoSeconds));
        var later = await new ReportWriter(rig.Pool, rig.Runs, rig.Catalog, rig.DrillCatalog, rig.Gates, rig.Estate with { Sources = [] }, TimeProvider.System).WriteAsync(run.Id, Ct);
        Assert.Equal((report.Class, report.Targets.RpoSeconds), (later.Class, later.Targets.RpoSeconds));
        using var other = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);

        var fault = Assert.Throws<EngineException>(() => SignedReport.Check(SignedReport.Write(report, rig.ReportKey), other.ExportSubjectPublicKeyInfoPem()));

        Assert.Equal("report-other-key", fault.Code);
    }

    [Fact]
    public void Processes_that_sign_their_first_report_at_once_sign_with_one_key()
    {
        const int AtOnce = 8;
        for (var round = 0; round < 20; round++)
        {
            var folder = Directory.CreateTempSubdirectory("drconsole-key-");
            try
            {
                var data = DataFolder.Open(folder.FullName);
                var pems = new string[AtOnce];
                using var start = new Barrier(AtOnce);
                var threads = Enumerable.Range(0, AtOnce).Select(one => new Thread(() =>
                {
                    start.SignalAndWait();
                    pems[one] = new ReportKey(data).PublicPem();
                })).ToList();
                threads.ForEach(thread => thread.Start());
                threads.ForEach(thread => thread.Join());
                Assert.Single(pems.Append(new ReportKey(data).PublicPem()).Distinct());
                Assert.Single(Directory.EnumerateFiles(data.Keys, "report-signing*"));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }
    }
}
