using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>The way back of a service that ran already, and of what a person did in place of a step.</summary>
public sealed class ServiceWayBackTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Service_that_ran_before_the_plan_started_it_is_left_running()
    {
        await using var rig = await RunningAsync();
        rig.Wrap = inner => inner.Name == SwitchTraffic.ActionName ? new FailingAction(inner, Fault.Act) : inner;

        var run = (await rig.RecoverAsync(await PlanAsync(rig, "roll-back-all", RestartServices.ActionName, SwitchTraffic.ActionName))).Id;

        Assert.True(RecoveryOutcome.RolledBack == await OutcomeAsync(rig, run), await rig.LogAsync(run));
        Assert.Equal(["start"], await File.ReadAllLinesAsync(Beside(rig, "acts"), Ct));
        Assert.True(IsRunning(rig));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Service_that_the_plan_stopped_is_stopped_again_before_it_is_brought_back(bool isStartedBetween)
    {
        await using var rig = await RunningAsync();
        rig.Wrap = inner => inner.Name switch
        {
            // As a supervisor does once the step has seen that the service stands.
            StopDatabaseService.ActionName when isStartedBetween => new HookedAction(inner, afterVerify: () => File.WriteAllTextAsync(Beside(rig, "running"), "", Ct)),
            SwitchTraffic.ActionName => new FailingAction(inner, Fault.Act),
            _ => inner,
        };

        var run = (await rig.RecoverAsync(await PlanAsync(rig, "roll-back-all", StopDatabaseService.ActionName, RestartServices.ActionName, SwitchTraffic.ActionName))).Id;

        Assert.True(RecoveryOutcome.RolledBack == await OutcomeAsync(rig, run), await rig.LogAsync(run));
        Assert.Equal(["stop", "start", "stop", "start"], await File.ReadAllLinesAsync(Beside(rig, "acts"), Ct));
        Assert.True(IsRunning(rig));
    }

    [Fact]
    public async Task Stop_that_a_person_marked_as_done_is_part_of_the_way_back_and_nobody_guesses_whether_the_service_ran()
    {
        await using var rig = await RunningAsync();
        rig.Wrap = inner => inner.Name switch
        {
            StopDatabaseService.ActionName => new FailingAction(inner, Fault.Capture),
            SwitchTraffic.ActionName => new FailingAction(inner, Fault.Act),
            _ => inner,
        };
        var run = (await rig.RecoverAsync(await PlanAsync(rig, "ask", StopDatabaseService.ActionName, RestartServices.ActionName, SwitchTraffic.ActionName))).Id;
        await DecideAsync(rig, run, StepChoice.MarkDone);

        await DecideAsync(rig, run, StepChoice.RollBack);

        Assert.True(RecoveryOutcome.RollbackFailed == await OutcomeAsync(rig, run), await rig.LogAsync(run));
        var steps = await rig.Catalog.StepsAsync(run, Ct);
        Assert.Equal([StepState.RollbackFailed, StepState.RolledBack, StepState.RolledBack], steps.Select(step => step.State));
        Assert.Contains("nobody looked whether it ran before", steps[0].RollbackError, StringComparison.Ordinal);
        // Found running by its start, and stopped again: by what the person said it had stood.
        Assert.Equal(["start", "stop"], await File.ReadAllLinesAsync(Beside(rig, "acts"), Ct));
        Assert.False(IsRunning(rig));
    }

    [Fact]
    public async Task Clients_that_a_person_led_over_are_part_of_the_way_back_and_nobody_guesses_where_they_went_before()
    {
        // The cluster cannot be asked where the clients go.
        await using var rig = await RunningAsync(new ServiceSwitch("/nowhere/kubeconfig", "shop", "front", new Dictionary<string, string> { ["app"] = "shop" }));
        rig.Wrap = inner => inner.Name == RestartServices.ActionName ? new FailingAction(inner, Fault.Act) : inner;
        var run = (await rig.RecoverAsync(await PlanAsync(rig, "ask", SwitchTraffic.ActionName, RestartServices.ActionName))).Id;
        await DecideAsync(rig, run, StepChoice.MarkDone);

        await DecideAsync(rig, run, StepChoice.RollBack);

        Assert.True(RecoveryOutcome.RollbackFailed == await OutcomeAsync(rig, run), await rig.LogAsync(run));
        var steps = await rig.Catalog.StepsAsync(run, Ct);
        Assert.Equal([StepState.RollbackFailed, StepState.RolledBack], steps.Select(step => step.State));
        Assert.Contains("nobody looked where they went before", steps[0].RollbackError, StringComparison.Ordinal);
        Assert.True(IsRunning(rig));
    }

    private static async Task<RecoveryOutcome?> OutcomeAsync(InPlaceRig rig, RunId run) => (await rig.Catalog.FindAsync(run, Ct))!.Outcome;

    private static async Task DecideAsync(InPlaceRig rig, RunId run, StepChoice choice)
    {
        await rig.Recoveries.DecideAsync(run, choice, "paul", "I have looked at it", Ct);
        await rig.AdvanceAsync(run);
    }

    private static string Beside(InPlaceRig rig, string name) => Path.Combine(Path.GetDirectoryName(rig.Source.Volume!.Path!)!, name);

    private static bool IsRunning(InPlaceRig rig) => File.Exists(Beside(rig, "running"));

    /// <summary>A plan that restores nothing, of a step for each action.</summary>
    private static async Task<RecoveryPlan> PlanAsync(InPlaceRig rig, string onFailure, params string[] actions)
    {
        var name = $"way-back-{Guid.NewGuid():n}";
        var steps = actions.Select(action => $$"""
            { "name": "{{action.Replace('_', '-')}}", "title": "{{action}}", "action": "{{action}}", "estimateSeconds": 1, "timeoutSeconds": 60 }
            """);
        await rig.Library.SaveAsync($$"""
            { "name": "{{name}}", "title": "Start it again", "disasters": ["UNKNOWN"], "kind": "volume", "gate": { "risk": "destructive" }, "onFailure": "{{onFailure}}", "steps": [ {{string.Join(", ", steps)}} ] }
            """, "adam", "for the test", 0, Ct);
        return await rig.Recoveries.PlanAsync(name, new PlanRequest(rig.Source.Name, "UNKNOWN"), Ct);
    }

    /// <summary>A volume whose service is a file that is there while it runs; what is done to it is written down.</summary>
    private async Task<InPlaceRig> RunningAsync(ServiceSwitch? clients = null)
    {
        var rig = new InPlaceRig(catalog, (name, folder) =>
        {
            var (acts, running) = (folder.Combine("acts"), folder.Combine("running"));
            var service = new ServiceSettings(
                ServiceDriver.Command, Start: ["sh", "-c", $"echo start >> {acts} && touch {running}"], Stop: ["sh", "-c", $"echo stop >> {acts} && rm -f {running}"], Status: ["test", "-e", running]);
            return new Source(name, SourceKind.Volume, "standard", "shop")
            {
                Volume = new VolumeSettings(folder.Combine("volume")),
                Recovery = new RecoverySettings(service, [], ["true"], ["true"]) { SwitchService = clients },
            };
        });
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        await File.WriteAllTextAsync(Beside(rig, "running"), "", Ct);
        return rig;
    }
}
