using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Retention;

/// <summary>What another policy would keep of a source, and which moments would become unreachable. Saves nothing.</summary>
public partial class RetentionSimulator
{
    private const int MostListed = 24;
    private PolicyForm _form = new();
    private string? _of;
    private string? _problem;
    private bool _isRunning;
    private RetentionSimulation? _result;
    private DateTimeOffset _ranAt;
    private string _json = "";

    /// <summary>The source to try it on.</summary>
    [Parameter, EditorRequired]
    public KeptSource Source { get; set; } = default!;

    /// <summary>All sources of its class.</summary>
    [Parameter]
    public IReadOnlyList<string> Others { get; set; } = [];

    /// <summary>The file that declares the class, or null where that is not known.</summary>
    [Parameter]
    public string? File { get; set; }

    /// <summary>Compares a policy with the present one; null where that failed, which the page then says.</summary>
    [Parameter, EditorRequired]
    public Func<RetentionPolicy, IReadOnlyDictionary<string, int>, Task<RetentionSimulation?>> OnRun { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IEnumerable<Field> Fields =>
    [
        new(RetentionTexts.RungHourly, () => _form.Hourly, value => _form.Hourly = value),
        new(RetentionTexts.RungDaily, () => _form.Daily, value => _form.Daily = value),
        new(RetentionTexts.RungWeekly, () => _form.Weekly, value => _form.Weekly = value),
        new(RetentionTexts.RungMonthly, () => _form.Monthly, value => _form.Monthly = value),
        new(RetentionTexts.RungYearly, () => _form.Yearly, value => _form.Yearly = value),
        new(RetentionTexts.SimKeepAll, () => _form.KeepAllHours, value => _form.KeepAllHours = value),
        .. _form.Days.Keys.Select(tier => new Field(Figures.Format(RetentionTexts.SimTierDays, tier), () => _form.Days[tier], value => _form.Days[tier] = value)),
    ];

    /// <inheritdoc/>
    protected override void OnParametersSet()
    {
        // A live page hands over new figures of the same source all the time: what was typed stays.
        if (_of != Source.Name)
        {
            Reset();
        }
    }

    private static string Lost(int count) => count switch
    {
        0 => RetentionTexts.SimLostNone,
        1 => RetentionTexts.SimFewer,
        _ => Figures.Format(RetentionTexts.SimLost, count),
    };

    private static void Set(Field field, ChangeEventArgs args) => field.Set(args.Value as string ?? "");

    private void Reset()
    {
        (_of, _form, _result, _problem) = (Source.Name, PolicyForm.Of(Source.Class, Source.Tiers.Select(tier => tier.Name)), null, null);
    }

    private async Task RunAsync()
    {
        var asked = _form.Parse();
        _problem = asked switch
        {
            null => RetentionTexts.SimNotNumber,
            { Policy.KeepsNothing: true } => RetentionTexts.SimNothing,
            _ => null,
        };
        if (_problem is not null || _isRunning)
        {
            return;
        }

        _isRunning = true;
        var (policy, days) = asked!.Value;
        _result = await OnRun(policy, days);
        (_ranAt, _json, _isRunning) = (Time.GetUtcNow(), PolicyForm.Json(Source.Class.Name, policy, days), false);
    }

    private sealed record Field(string Name, Func<string> Get, Action<string> Set);
}
