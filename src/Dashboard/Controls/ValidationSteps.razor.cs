using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One step of a validation.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Name">File integrity, encryption, …</param>
/// <param name="How">How it is measured.</param>
/// <param name="Status">Passed, Failed, Running, Queued or NotRun.</param>
/// <param name="Found">What was found, in numbers; for a step that did not run, why: <c>because step 3 failed</c>.</param>
/// <param name="BeganAt">When it began, or null.</param>
/// <param name="Took">How long it took, or null.</param>
/// <param name="Share">For a running step how far it is, 0 to 1.</param>
public sealed record ValidationStepModel(
    int Number, string Name, string How, Status Status, string Found, DateTimeOffset? BeganAt, TimeSpan? Took, double? Share = null);

/// <summary>The five steps: measured how, found what, when and for how long. An empty list is "not validated", never "passed".</summary>
public partial class ValidationSteps
{
    /// <summary>All steps in order, those that did not run included; empty where no validation ran.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<ValidationStepModel> Steps { get; set; } = [];

    /// <summary>Which run, where, when: <c>run V-2291, ended 02:28:43, 44m ago</c>.</summary>
    [Parameter]
    public string? Summary { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private ValidationStepModel? FirstFailed => Steps.FirstOrDefault(step => step.Status == Status.Failed);

    private ValidationStepModel? NowRunning => Steps.FirstOrDefault(step => step.Status == Status.Running);

    private int Passed => Steps.Count(step => step.Status == Status.Passed);

    private Status Overall => FirstFailed is not null ? Status.Failed
        : NowRunning is not null ? Status.Running
        : Steps.Count > 0 && Passed == Steps.Count ? Status.Passed : Status.NotRun;

    private string OverallText => (FirstFailed, NowRunning) switch
    {
        ({ } failed, _) => Figures.Format(Texts.ValidationFailedAt, failed.Number, Steps.Count),
        (_, { } running) => Figures.Format(Texts.ValidationRunningAt, running.Number, Steps.Count),
        _ when Steps.Count == 0 => Texts.StatusNotRun,
        _ => Figures.Format(Texts.ValidationPassedOf, Passed, Steps.Count),
    };
}
